//! Files that cameras, phones and offices make, by name: ffmpeg's arguments for each, as small as it can be.

/// One file: its name, its type as the scanner would sniff it, and what ffmpeg makes it from.
pub struct Sample {
    pub name: &'static str,
    pub mime: &'static str,
    pub args: String,
}

fn sample(name: &'static str, mime: &'static str, args: String) -> Sample {
    Sample { name, mime, args }
}

/// Six flat colours side by side, inside the light that every screen has.
pub const PATCHES: [[u8; 3]; 6] = [[176, 64, 48], [70, 150, 80], [52, 80, 160], [200, 180, 60], [120, 120, 120], [225, 225, 225]];

/// Draws the patches in BT.709, limited range, 4:4:4; `then` goes on from there.
pub fn patches(width: u32, height: u32, then: &str) -> String {
    let inputs: Vec<String> = PATCHES
        .iter()
        .map(|[r, g, b]| format!("-f lavfi -i color=0x{r:02x}{g:02x}{b:02x}:size={}x{height}:rate=10:duration=0.5", width / 6))
        .collect();
    format!(
        "{} -filter_complex [0][1][2][3][4][5]hstack=6,scale=out_color_matrix=bt709:out_range=tv,format=yuv444p,setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=tv,{then}",
        inputs.join(" ")
    )
}

/// The same six colours, told in every way that cameras tell them. Each has to come out as it was drawn.
pub fn colours() -> Vec<Sample> {
    let (mp4, mov, webm) = ("video/mp4", "video/quicktime", "video/webm");
    let x264 = "-c:v libx264 -preset ultrafast -crf 8";
    let x265 = "-c:v libx265 -preset ultrafast -x265-params log-level=none:crf=8";
    let silent = "setparams=colorspace=unknown:color_primaries=unknown:color_trc=unknown";
    vec![
        sample("bt709.mp4", mp4, patches(1278, 720, &format!("format=yuv420p {x264}"))),
        sample("bt601-525.mp4", mp4, patches(720, 480, &format!("zscale=m=170m:p=170m:t=601,format=yuv420p {x264}"))),
        sample("bt601-625.mp4", mp4, patches(720, 576, &format!("zscale=m=bt470bg:p=bt470bg:t=601,format=yuv420p {x264}"))),
        sample("full-range.mp4", mp4, patches(1278, 720, &format!("zscale=r=full,format=yuv420p {x264} -color_range pc"))),
        sample("untagged-sd.mp4", mp4, patches(636, 480, &format!("zscale=m=170m,format=yuv420p,{silent} {x264}"))),
        sample(
            "untagged-sd.ts",
            "video/mp2t",
            patches(720, 576, &format!("zscale=m=bt470bg,format=yuv420p,{silent} -c:v mpeg2video -q:v 1")),
        ),
        sample("untagged-hd.mp4", mp4, patches(1278, 720, &format!("format=yuv420p,{silent} {x264}"))),
        sample(
            "matrix-in-container.webm",
            webm,
            patches(318, 240, "zscale=m=170m,format=yuv420p -c:v libvpx -deadline realtime -b:v 4M -crf 4"),
        ),
        sample("prores-422.mov", mov, patches(1278, 720, "format=yuv422p10le -c:v prores_ks")),
        sample("prores-4444.mov", mov, patches(318, 240, "format=yuv444p10le -c:v prores_ks -profile:v 4")),
        sample("high-444.mp4", mp4, patches(318, 240, &format!("format=yuv444p {x264}"))),
        sample("high-422-10.mp4", mp4, patches(318, 240, &format!("format=yuv422p10le {x264}"))),
        sample("main-10.mp4", mp4, patches(318, 240, &format!("format=yuv420p10le {x265}"))),
        sample("main-12.mp4", mp4, patches(318, 240, &format!("format=yuv420p12le {x265}"))),
        sample(
            "vp9-profile-2.webm",
            webm,
            patches(318, 240, "format=yuv420p10le -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -crf 8 -b:v 0"),
        ),
        sample("display-p3.mp4", mp4, patches(1278, 720, &format!("zscale=p=smpte432,format=yuv420p {x264}"))),
        sample("bt2020-sdr.mp4", mp4, patches(318, 240, &format!("zscale=m=2020_ncl:p=2020:t=2020_10,format=yuv420p10le {x265}"))),
        sample("motion-jpeg.avi", "video/x-msvideo", patches(636, 480, "zscale=m=bt470bg:r=full,format=yuvj420p -c:v mjpeg -q:v 2")),
    ]
}

/// What moves, in high dynamic range; `as_coded` says the transfer function to zscale, `as_told` to x265.
fn high_range(as_coded: &str, as_told: &str, more: &str) -> String {
    format!(
        "-f lavfi -i testsrc2=size=640x360:rate=10:duration=0.3 -vf scale=out_color_matrix=bt709:out_range=tv,format=yuv444p,setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=tv,zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt2020,exposure=exposure=1.5,zscale=t={as_coded}:m=bt2020nc:r=tv:npl=100,format=yuv420p10le -c:v libx265 -preset ultrafast -x265-params log-level=none:crf=8:colorprim=bt2020:transfer={as_told}:colormatrix=bt2020nc{more}"
    )
}

/// High dynamic range, as cameras and phones tell it.
pub fn high_ranges() -> Vec<Sample> {
    let mastered = ":master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(6000000,1):max-cll=600,300";
    vec![
        sample("pq.mp4", "video/mp4", high_range("smpte2084", "smpte2084", "")),
        sample("pq-mastered.mkv", "video/x-matroska", high_range("smpte2084", "smpte2084", mastered)),
        sample("hlg.mov", "video/quicktime", format!("{} -tag:v hvc1", high_range("arib-std-b67", "arib-std-b67", ""))),
        sample(
            "pq-in-a-container-that-says-bt709.mp4",
            "video/mp4",
            format!("{} -color_primaries bt709 -color_trc bt709 -colorspace bt709", high_range("smpte2084", "smpte2084", "")),
        ),
    ]
}

/// Pictures of two fields: what moves at 50 fields a second, woven into 25 frames.
pub fn interlaced() -> Vec<Sample> {
    let moving = "-f lavfi -i testsrc2=size=320x240:rate=50:duration=2 -vf";
    vec![
        sample(
            "top-first.mkv",
            "video/x-matroska",
            format!("{moving} interlace=scan=tff -c:v mpeg2video -b:v 4M -flags +ildct+ilme -top 1"),
        ),
        sample(
            "bottom-first.mkv",
            "video/x-matroska",
            format!("{moving} interlace=scan=bff -c:v mpeg2video -b:v 4M -flags +ildct+ilme -top 0"),
        ),
        sample(
            "mbaff.mp4",
            "video/mp4",
            format!("{moving} interlace=scan=tff -c:v libx264 -preset ultrafast -flags +ildct+ilme -x264-params tff=1"),
        ),
        sample(
            "interlaced.ts",
            "video/mp2t",
            format!("{moving} interlace=scan=tff -c:v libx264 -preset ultrafast -flags +ildct+ilme -x264-params tff=1"),
        ),
        sample(
            "telecined.ts",
            "video/mp2t",
            "-f lavfi -i testsrc2=size=320x240:rate=20:duration=2 -vf telecine -c:v mpeg2video -b:v 4M -flags +ildct+ilme".into(),
        ),
    ]
}
