# plain convert, CPU of 30 1080p frames 10 bit -> 8 bit bt709
bash -c "time timeout 60 gst-launch-1.0 -q videotestsrc num-buffers=30 pattern=black ! video/x-raw,format=I420_10LE,width=1920,height=1080,colorimetry=bt2100-pq ! videoconvert ! video/x-raw,format=I420,colorimetry=bt709 ! fakesink" 2>&1 | tail -3
bash -c "time timeout 60 gst-launch-1.0 -q videotestsrc num-buffers=30 pattern=black ! video/x-raw,format=I420_10LE,width=1920,height=1080,colorimetry=bt2100-pq ! fakesink" 2>&1 | tail -3
