//! Schemas ↔ the JSON that an envelope carries.

use super::decode::Reading;
use super::encode::Writing;
use super::tape::{Kind, Node};
use super::text::{write_int, write_string};
use crate::data::{ConnectError, Result, Schema, SchemaBuilder, Type, Value};

fn type_name(kind: Type) -> &'static str {
    match kind {
        Type::Int8 => "int8",
        Type::Int16 => "int16",
        Type::Int32 => "int32",
        Type::Int64 => "int64",
        Type::Float32 => "float",
        Type::Float64 => "double",
        Type::Boolean => "boolean",
        Type::String => "string",
        Type::Bytes => "bytes",
        Type::Array => "array",
        Type::Map => "map",
        Type::Struct => "struct",
    }
}

/// Writes a schema; `null` for none.
pub(super) fn write(schema: Option<&Schema>, writing: Writing, out: &mut Vec<u8>) -> Result<()> {
    let Some(schema) = schema else {
        out.extend_from_slice(b"null");
        return Ok(());
    };
    write_open(schema, writing, out)?;
    out.push(b'}');
    Ok(())
}

/// Without the closing brace, for a member's name comes last.
fn write_open(schema: &Schema, writing: Writing, out: &mut Vec<u8>) -> Result<()> {
    out.extend_from_slice(b"{\"type\":\"");
    out.extend_from_slice(type_name(schema.kind()).as_bytes());
    out.push(b'"');
    match schema.kind() {
        Type::Array => {
            out.extend_from_slice(b",\"items\":");
            write(schema.value_schema()?, writing, out)?;
        }
        Type::Map => {
            out.extend_from_slice(b",\"keys\":");
            write(schema.key_schema()?, writing, out)?;
            out.extend_from_slice(b",\"values\":");
            write(schema.value_schema()?, writing, out)?;
        }
        Type::Struct => {
            out.extend_from_slice(b",\"fields\":[");
            for field in schema.struct_fields() {
                if field.index() > 0 {
                    out.push(b',');
                }
                write_open(field.schema(), writing, out)?;
                out.extend_from_slice(b",\"field\":");
                write_string(field.name(), out);
                out.push(b'}');
            }
            out.push(b']');
        }
        _ => {}
    }
    let optional = if schema.is_optional() {
        "true"
    } else {
        "false"
    };
    out.extend_from_slice(b",\"optional\":");
    out.extend_from_slice(optional.as_bytes());
    write_named(schema, out);
    if let Some(default) = schema.default_value() {
        out.extend_from_slice(b",\"default\":");
        writing.value(Some(schema), default, 1, out)?;
    }
    Ok(())
}

fn write_named(schema: &Schema, out: &mut Vec<u8>) {
    if let Some(name) = schema.name() {
        out.extend_from_slice(b",\"name\":");
        write_string(name, out);
    }
    if let Some(version) = schema.version() {
        out.extend_from_slice(b",\"version\":");
        write_int(version.into(), out);
    }
    if let Some(doc) = schema.doc() {
        out.extend_from_slice(b",\"doc\":");
        write_string(doc, out);
    }
    if let Some(parameters) = schema.parameters() {
        out.extend_from_slice(b",\"parameters\":{");
        for (index, (name, value)) in parameters.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            write_string(name, out);
            out.push(b':');
            write_string(value, out);
        }
        out.push(b'}');
    }
}

/// Reads a schema; none of `null`.
pub(super) fn read(node: Node<'_, '_>, reading: Reading) -> Result<Option<Schema>> {
    if node.kind() == Kind::Null {
        return Ok(None);
    }
    let kind = node.get("type").and_then(Node::string);
    let kind = kind.ok_or_else(|| ConnectError::data("Schema must contain 'type' field"))?;
    let known = Type::ALL
        .into_iter()
        .find(|known| type_name(*known) == kind);
    let Some(known) = known else {
        return Err(ConnectError::data(format!("Unknown schema type: {kind}")));
    };
    let mut builder = match known {
        Type::Array => read_array(node, reading)?,
        Type::Map => read_map(node, reading)?,
        Type::Struct => read_struct(node, reading)?,
        primitive => SchemaBuilder::new(primitive),
    };
    builder = match node.get("optional").map(Node::kind) {
        Some(Kind::True) => builder.optional()?,
        _ => builder.required()?,
    };
    if let Some(name) = node.get("name").and_then(Node::string) {
        builder = builder.name(&name)?;
    }
    if let Some(version) = node
        .get("version")
        .filter(|node| node.kind() == Kind::Whole)
    {
        let mut reading = reading;
        if let Value::Int32(version) = reading.with_schema(&Schema::int32(), Some(version))? {
            builder = builder.version(version)?;
        }
    }
    if let Some(doc) = node.get("doc").and_then(Node::string) {
        builder = builder.doc(&doc)?;
    }
    if let Some(parameters) = node.get("parameters") {
        for (name, value) in parameters.members() {
            let value = value
                .string()
                .ok_or_else(|| ConnectError::data("Schema parameters must have string values."))?;
            builder = builder.parameter(&name.string().unwrap_or_default(), &value);
        }
    }
    if let Some(default) = node.get("default") {
        let so_far = builder.clone().build();
        let mut reading = reading;
        let default = reading.with_schema(&so_far, Some(default))?;
        builder = builder.default_value(default.into_owned())?;
    }
    Ok(Some(builder.build()))
}

fn read_array(node: Node<'_, '_>, reading: Reading) -> Result<SchemaBuilder> {
    let items = node.get("items").filter(|items| items.kind() != Kind::Null);
    let missing = || ConnectError::data("Array schema did not specify the element type");
    let element = read(items.ok_or_else(missing)?, reading)?;
    Ok(SchemaBuilder::array(element.ok_or_else(missing)?))
}

fn read_map(node: Node<'_, '_>, reading: Reading) -> Result<SchemaBuilder> {
    let missing =
        |what: &str| ConnectError::data(format!("Map schema did not specify the {what} type"));
    let keys = node.get("keys").ok_or_else(|| missing("key"))?;
    let values = node.get("values").ok_or_else(|| missing("value"))?;
    let null = |what: &str| ConnectError::schema_builder(format!("{what}Schema cannot be null."));
    let (keys, values) = (read(keys, reading)?, read(values, reading)?);
    let keys = keys.ok_or_else(|| null("key"))?;
    Ok(SchemaBuilder::map(
        keys,
        values.ok_or_else(|| null("value"))?,
    ))
}

fn read_struct(node: Node<'_, '_>, reading: Reading) -> Result<SchemaBuilder> {
    let fields = node
        .get("fields")
        .filter(|fields| fields.kind() == Kind::Array);
    let fields = fields.ok_or_else(|| {
        ConnectError::data("Struct schema's \"fields\" argument is not an array.")
    })?;
    let mut builder = SchemaBuilder::structure();
    for field in fields.elements() {
        let name = field.get("field").and_then(Node::string);
        let name = name.ok_or_else(|| {
            ConnectError::data("Struct schema's field name not specified properly")
        })?;
        let schema = read(field, reading)?.expect("what has a name is an object, not null");
        builder.add_field(&name, schema)?;
    }
    Ok(builder)
}
