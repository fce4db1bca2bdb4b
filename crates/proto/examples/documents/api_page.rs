//! The page of the gRPC services: methods with their scopes, messages with their fields.

use std::fmt::{Error, Write as _};

use prost_types::{DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, MethodDescriptorProto, field_descriptor_proto::Type};

use crate::{
    contract::{Contract, ENUM, File, MEMBER, MESSAGE, SERVICE},
    scopes::{self, Access},
};

/// The data of events has a description of its own.
const EVENTS: &str = "media/v1/events.proto";

pub fn page(contract: &Contract) -> Result<String, Error> {
    let mut page = include_str!("api_intro.md").to_owned();
    let (services, shared): (Vec<_>, Vec<_>) =
        contract.files.iter().filter(|file| file.descriptor.name() != EVENTS).partition(|file| !file.descriptor.service.is_empty());
    for file in services {
        for (number, service) in file.descriptor.service.iter().enumerate() {
            writeln!(page, "\n## {}\n", service.name())?;
            paragraphs(&mut page, file.comment(&[SERVICE, index(number)]))?;
            for (member, method) in service.method.iter().enumerate() {
                write_method(&mut page, service.name(), method, file.comment(&[SERVICE, index(number), MEMBER, index(member)]))?;
            }
        }
        types(&mut page, file)?;
    }
    for file in shared {
        writeln!(page, "\n## What the services share")?;
        types(&mut page, file)?;
    }
    Ok(page.replace("\n\n\n", "\n\n").trim_end().to_owned() + "\n")
}

fn write_method(page: &mut String, service: &str, method: &MethodDescriptorProto, comment: &str) -> Result<(), Error> {
    let stream = |streams: bool| if streams { "stream of " } else { "" };
    let (takes, gives) = (link(method.input_type()), link(method.output_type()));
    let scope = match scopes::of(&format!("/media.v1.{service}/{}", method.name())) {
        Access::Scope(scope) => format!("scope `{scope}`"),
        Access::Everybody => "open to everybody".to_owned(),
        Access::Nobody => "closed".to_owned(),
    };
    writeln!(page, "\n### {}.{}\n", service, method.name())?;
    let (client, server) = (stream(method.client_streaming()), stream(method.server_streaming()));
    writeln!(page, "{client}{takes} → {server}{gives} · {scope}\n")?;
    paragraphs(page, comment)
}

fn types(page: &mut String, file: &File) -> Result<(), Error> {
    for (number, message) in file.descriptor.message_type.iter().enumerate() {
        write_message(page, file, message, message.name(), &[MESSAGE, index(number)])?;
    }
    for (number, list) in file.descriptor.enum_type.iter().enumerate() {
        write_enum(page, file, list, list.name(), &[ENUM, index(number)])?;
    }
    Ok(())
}

fn write_message(page: &mut String, file: &File, message: &DescriptorProto, name: &str, path: &[i32]) -> Result<(), Error> {
    writeln!(page, "\n#### {name}\n")?;
    paragraphs(page, file.comment(path))?;
    if message.field.is_empty() {
        writeln!(page, "No fields.")?;
    } else {
        writeln!(page, "| field | type | |\n| --- | --- | --- |")?;
    }
    for (number, field) in message.field.iter().enumerate() {
        let comment = file.comment(&[path, &[MEMBER, index(number)]].concat());
        writeln!(page, "| `{}` | {} | {} |", field.name(), type_of(message, field), cell(comment))?;
    }
    // Fields 3 and 4 of a message's descriptor: what is declared within it.
    for (number, nested) in message.nested_type.iter().enumerate().filter(|(_, nested)| !is_map(nested)) {
        write_message(page, file, nested, &format!("{name}.{}", nested.name()), &[path, &[3, index(number)]].concat())?;
    }
    for (number, list) in message.enum_type.iter().enumerate() {
        write_enum(page, file, list, &format!("{name}.{}", list.name()), &[path, &[4, index(number)]].concat())?;
    }
    Ok(())
}

fn write_enum(page: &mut String, file: &File, list: &EnumDescriptorProto, name: &str, path: &[i32]) -> Result<(), Error> {
    writeln!(page, "\n#### {name}\n")?;
    paragraphs(page, file.comment(path))?;
    writeln!(page, "| value | |\n| --- | --- |")?;
    for (number, value) in list.value.iter().enumerate() {
        let comment = file.comment(&[path, &[MEMBER, index(number)]].concat());
        writeln!(page, "| `{}` | {} |", value.name(), cell(comment))?;
    }
    Ok(())
}

fn type_of(message: &DescriptorProto, field: &FieldDescriptorProto) -> String {
    if let Some(entry) =
        message.nested_type.iter().find(|nested| is_map(nested) && field.type_name().ends_with(&format!(".{}", nested.name())))
    {
        let of = |number: i32| entry.field.iter().find(|field| field.number() == number).map_or_else(String::new, scalar);
        return format!("map of {} to {}", of(1), of(2));
    }
    let kind = scalar(field);
    let oneof =
        field.oneof_index.filter(|_| !field.proto3_optional()).and_then(|index| message.oneof_decl.get(usize::try_from(index).ok()?));
    match (field.label(), oneof) {
        (prost_types::field_descriptor_proto::Label::Repeated, _) => format!("repeated {kind}"),
        (_, Some(oneof)) => format!("{kind}, one of `{}`", oneof.name()),
        _ if field.proto3_optional() => format!("optional {kind}"),
        _ => kind,
    }
}

fn scalar(field: &FieldDescriptorProto) -> String {
    match field.r#type() {
        Type::Message | Type::Enum => link(field.type_name()),
        other => other.as_str_name().trim_start_matches("TYPE_").to_lowercase(),
    }
}

fn is_map(message: &DescriptorProto) -> bool {
    message.options.as_ref().is_some_and(|options| options.map_entry())
}

/// A type of ours as a link to where it stands on this page.
fn link(name: &str) -> String {
    match name.trim_start_matches('.').strip_prefix("media.v1.") {
        Some(ours) => format!("[{ours}](#{})", ours.to_lowercase().replace('.', "")),
        None => format!("`{}`", name.trim_start_matches('.')),
    }
}

fn paragraphs(page: &mut String, comment: &str) -> Result<(), Error> {
    if comment.is_empty() {
        return Ok(());
    }
    // The reasons stand by themselves.
    writeln!(page, "{}\n", comment.replace("\nReasons:", "\n\nReasons:").replace("\n\n\n", "\n\n"))
}

fn cell(comment: &str) -> String {
    comment.replace("\n\n", "<br>").replace('\n', " ").replace('|', "\\|")
}

fn index(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
