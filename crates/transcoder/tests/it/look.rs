use crate::bench::Bench;
use media_domain::{Kind, work::Group};
#[test]
fn look() {
    let bench = Bench::new();
    for line in std::fs::read_to_string("/tmp/look/jobs").unwrap().lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let path = std::path::Path::new(words[0]);
        let kind: Kind = words[2].parse().unwrap();
        let group: Group = words[3].parse().unwrap();
        println!("{:?}", bench.probe(path, words[1], kind));
        match bench.run(path, words[1], kind, group, &words[4..]) {
            Ok(ran) => {
                for (made, file) in ran.done.outputs.iter().zip(&ran.files) {
                    let to = format!("/tmp/look/out-{}", file.file_name().unwrap().to_str().unwrap());
                    std::fs::copy(file, &to).unwrap();
                    println!("{to}: {made:?}");
                }
            }
            Err(failure) => println!("{line}: {failure} {:?}", failure.source),
        }
    }
}
