//! PDFs, made by hand.

/// A document of so many pages of one size in points. The first is red above and white below, with words on it.
pub fn document(pages: usize, width: u32, height: u32) -> Vec<u8> {
    let half = height / 2;
    let size = width / 8;
    let content = format!("1 0 0 rg 0 {half} {width} {half} re f 0 0 0 rg BT /F1 {size} Tf {size} {size} Td (Words) Tj ET");
    let kids: String = (0..pages).map(|page| format!("{} 0 R ", 5 + page)).collect();
    let mut objects = vec![
        "<</Type/Catalog/Pages 2 0 R>>".to_owned(),
        format!("<</Type/Pages/Count {pages}/Kids[{kids}]>>"),
        format!("<</Length {}>>stream\n{content}\nendstream", content.len()),
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>".to_owned(),
    ];
    for page in 0..pages {
        let contents = if page == 0 { "/Contents 3 0 R" } else { "" };
        objects.push(format!("<</Type/Page/Parent 2 0 R/MediaBox[0 0 {width} {height}]/Resources<</Font<</F1 4 0 R>>>>{contents}>>"));
    }
    of_objects(&objects.into_iter().map(String::into_bytes).collect::<Vec<_>>())
}

/// A document of these objects, numbered from 1; the first is the catalogue.
pub fn of_objects(objects: &[Vec<u8>]) -> Vec<u8> {
    let mut file = b"%PDF-1.4\n".to_vec();
    let mut places = Vec::new();
    for (index, object) in objects.iter().enumerate() {
        places.push(file.len());
        file.extend(format!("{} 0 obj", index + 1).bytes());
        file.extend(object);
        file.extend(b"\nendobj\n");
    }
    let table = file.len();
    file.extend(format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1).bytes());
    for place in places {
        file.extend(format!("{place:010} 00000 n \n").bytes());
    }
    file.extend(format!("trailer<</Size {}/Root 1 0 R>>\nstartxref\n{table}\n%%EOF\n", objects.len() + 1).bytes());
    file
}
