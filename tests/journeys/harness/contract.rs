//! Which methods the contract has, and why each may refuse: read from the protos' comments, so that what is promised is what is tested.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use media_proto::DOCUMENTED_DESCRIPTOR_SET;
use prost::Message as _;
use prost_types::{FileDescriptorProto, FileDescriptorSet};
use tonic::Code;

/// `service` in a file, `method` in a service, `syntax` of a file (descriptor.proto): where in its source a comment stands.
const SERVICE: i32 = 6;
const METHOD: i32 = 2;
const SYNTAX: i32 = 12;

pub static CONTRACT: LazyLock<Contract> = LazyLock::new(Contract::read);

pub struct Contract {
    /// The reasons of each method, as `AssetService/GetAsset`, but for those of every method.
    pub methods: BTreeMap<String, BTreeSet<String>>,
    /// The reasons of every method.
    pub common: BTreeSet<String>,
    /// The same, of those that are the service's own state and not provoked method by method.
    pub of_service: BTreeSet<String>,
    codes: BTreeMap<String, Code>,
}

impl Contract {
    fn read() -> Self {
        let files = FileDescriptorSet::decode(DOCUMENTED_DESCRIPTOR_SET).unwrap().file;
        let head = files.iter().find(|file| file.name() == "media/v1/asset.proto").map(|file| comment(file, &[SYNTAX])).unwrap();
        let of_every_method = |start: &str| paragraphs(&head).find_map(|text| text.strip_prefix(start).map(words)).unwrap();
        let of_fields = of_every_method("Reasons of every method whose request has a field:");
        let is_empty = |name: &str| {
            let messages = files.iter().flat_map(|file| &file.message_type);
            messages.into_iter().find(|message| name.ends_with(&format!(".{}", message.name()))).unwrap().field.is_empty()
        };
        let mut methods = BTreeMap::new();
        for file in &files {
            for (at, service) in (0..).zip(&file.service) {
                for (place, method) in (0..).zip(&service.method) {
                    let name = format!("{}/{}", service.name(), method.name());
                    let said = comment(file, &[SERVICE, at, METHOD, place]);
                    let last = paragraphs(&said).last().and_then(|text| text.strip_prefix("Reasons:").map(str::to_owned));
                    let last = last.unwrap_or_else(|| panic!("{name} does not say why it refuses: its comment ends with no `Reasons:`"));
                    let mut reasons = if last.trim() == "none of its own." { BTreeSet::new() } else { words(&last) };
                    if !is_empty(method.input_type()) {
                        reasons.extend(of_fields.iter().cloned());
                    }
                    methods.insert(name, reasons);
                }
            }
        }
        let contract = Self {
            methods,
            common: of_every_method("Reasons of every method:"),
            of_service: of_every_method("Reasons of every method that are no caller's doing, and are shown once for all of them:"),
            codes: codes(&head),
        };
        contract.assert_every_reason_has_a_code();
        contract
    }

    /// The code that goes with a reason.
    pub fn code(&self, reason: &str) -> Code {
        *self.codes.get(reason).unwrap_or_else(|| panic!("{reason} stands under no code in asset.proto"))
    }

    /// Fails where a method answers what it does not promise.
    pub fn assert_promised(&self, method: &str, code: Code, reason: &str) {
        let own = self.methods.get(method).unwrap_or_else(|| panic!("{method} is no method of the contract"));
        assert!(
            own.contains(reason) || self.common.contains(reason) || self.of_service.contains(reason),
            "{method} was refused for {reason}, which is not among its reasons in the contract: {own:?}"
        );
        assert_eq!(code, self.code(reason), "{method} was refused for {reason}");
    }

    fn assert_every_reason_has_a_code(&self) {
        let used: BTreeSet<&String> = self.methods.values().flatten().chain(&self.common).chain(&self.of_service).collect();
        let coded: BTreeSet<&String> = self.codes.keys().collect();
        assert_eq!(used, coded, "the reasons of methods, and those that have a code");
    }
}

/// What stands before an element.
fn comment(file: &FileDescriptorProto, path: &[i32]) -> String {
    let places = file.source_code_info.iter().flat_map(|info| &info.location);
    places.into_iter().find(|place| place.path == path).map(|place| place.leading_comments().to_owned()).unwrap_or_default()
}

fn paragraphs(comment: &str) -> impl Iterator<Item = String> {
    let lines: Vec<&str> = comment.lines().map(str::trim).collect();
    let joined: Vec<String> = lines.split(|line| line.is_empty()).map(|lines| lines.join(" ")).collect();
    joined.into_iter().filter(|text| !text.is_empty())
}

/// `A, B.` as a set.
fn words(list: &str) -> BTreeSet<String> {
    let list = list.trim().strip_suffix('.').unwrap_or_else(|| panic!("a list of reasons ends with a full stop: {list}"));
    list.split(',').map(|word| word.trim().to_owned()).collect()
}

/// The sentences `CODE: A, B.` of the paragraph that gives each reason its code.
fn codes(head: &str) -> BTreeMap<String, Code> {
    let table = paragraphs(head).find_map(|text| text.strip_prefix("A reason has one code:").map(str::to_owned)).unwrap();
    let mut codes = BTreeMap::new();
    for sentence in table.trim().trim_end_matches('.').split(". ") {
        let (code, reasons) = sentence.split_once(':').unwrap();
        let code = code_named(code.trim());
        for reason in words(&format!("{reasons}.")) {
            assert_eq!(codes.insert(reason, code), None, "a reason has one code");
        }
    }
    codes
}

/// The code of a name such as `NOT_FOUND`.
fn code_named(name: &str) -> Code {
    let is_named = |code: &Code| format!("{code:?}").eq_ignore_ascii_case(&name.replace('_', ""));
    (0..=16).map(Code::from_i32).find(is_named).unwrap_or_else(|| panic!("{name} is no code"))
}
