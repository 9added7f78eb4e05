//! Vectors of the converters.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use connectors::config::{ConfigDef, Props};
use connectors::converters::{Converter, ConverterType, Encoded, HeaderConverter};
use connectors::data::Result;
use connectors::registry::Registry;
use serde_json::Value as Json;

use super::{Case, Outcome, check, codec, not_unicode, settings};

/// Converters that were made, by class, configuration and what they convert.
#[derive(Debug, Default)]
struct Converters(HashMap<String, Made>);

impl Converters {
    fn get(&mut self, case: &Case) -> Result<&mut Made> {
        let kind = kind(case);
        let name = format!("{} {kind:?} {}", case.text("class"), case.json["config"]);
        if !self.0.contains_key(&name) {
            let made = Made::new(case.text("class"), &case.config(), kind)?;
            self.0.insert(name.clone(), made);
        }
        Ok(self.0.get_mut(&name).expect("it was just made"))
    }

    fn run(&mut self, case: &Case) -> Outcome {
        let op = case.text("op");
        match op {
            "configure" => return self.get(case).map(|_| Json::Null),
            "validate" => return Ok(settings::validated(&config(case.text("class")), case)),
            _ => {}
        }
        let converter = self.get(case)?;
        if op.starts_with("from") {
            let schema = codec::schema(&case.json["schema"]).ok_or_else(not_unicode)?;
            let value = codec::value(&case.json["value"]).ok_or_else(not_unicode)?;
            let mut out = b"before".to_vec();
            let encoded = match converter {
                Made::Data(data) => data.encode("topic", schema.as_ref(), &value, &mut out),
                Made::Header(header) => {
                    header.encode_header("topic", "header", schema.as_ref(), &value, &mut out)
                }
            };
            if encoded.is_err() {
                assert_eq!(out, b"before", "an error leaves the buffer as it was");
            }
            return Ok(match encoded? {
                Encoded::Null => Json::Null,
                Encoded::Written => BASE64.encode(&out[6..]).into(),
            });
        }
        let bytes = case.json["bytes"]
            .as_str()
            .map(|text| BASE64.decode(text).expect("base64"));
        let pair = match converter {
            Made::Data(data) => data.decode("topic", bytes.as_deref())?,
            Made::Header(header) => header.decode_header("topic", "header", bytes.as_deref())?,
        };
        Ok(codec::of_pair(&pair))
    }
}

fn kind(case: &Case) -> ConverterType {
    if case.text("op").ends_with("Header") {
        return ConverterType::Header;
    }
    match case.json["as"].as_str() {
        Some("key") => ConverterType::Key,
        _ => ConverterType::Value,
    }
}

/// The one converter that a case is about.
#[derive(Debug)]
enum Made {
    Data(Box<dyn Converter>),
    Header(Box<dyn HeaderConverter>),
}

impl Made {
    fn new(class: &str, props: &Props, kind: ConverterType) -> Result<Self> {
        let registry = Registry::bundled();
        let class = registry.converter(class)?;
        Ok(match class.converter {
            Some(make) if kind != ConverterType::Header => Self::Data(make(props, kind)?),
            _ => Self::Header((class.header_converter)(props)?),
        })
    }
}

fn config(class: &str) -> ConfigDef {
    (Registry::bundled()
        .converter(class)
        .expect("it is bundled")
        .config)()
}

const HALF_A_PAIR: &str = "a string here cannot hold half a surrogate pair";

/// Bytes and escapes that stand for no character.
const NO_TEXT: [&[u8]; 5] = [
    b"\\ud800\"",
    b"\"\\udc00",
    b"\\ud83d\\u0041",
    b"\xc0\x80",
    b"\xf4\x90\x80\x80",
];
const MULTI_BYTE: &str = "the tables of East Asian character sets are the web's";
const EBCDIC: &str = "EBCDIC is not spoken";

/// Why a case may come out otherwise than in Java.
fn differs(case: &Case) -> Option<&'static str> {
    let inputs = [&case.json["value"], &case.json["schema"], &case.json["out"]];
    let has_half_a_pair = inputs.iter().any(|json| json.to_string().contains("utf16"));
    if has_half_a_pair {
        return Some(HALF_A_PAIR);
    }
    let bytes = case.json["bytes"]
        .as_str()
        .and_then(|text| BASE64.decode(text).ok());
    let has = |part: &&[u8]| {
        bytes
            .iter()
            .any(|all| all.windows(part.len()).any(|w| w == *part))
    };
    if case.text("class").ends_with("JsonConverter") && NO_TEXT.iter().any(has) {
        return Some(HALF_A_PAIR);
    }
    let encoding = case.json["config"]["converter.encoding"].as_str()?;
    let is_multi = ["Shift_JIS", "EUC-JP", "GBK", "Big5"].contains(&encoding);
    if is_multi {
        return Some(MULTI_BYTE);
    }
    (encoding == "IBM037").then_some(EBCDIC)
}

#[test]
fn simple_converters_do_what_java_does() {
    let mut converters = Converters::default();
    let run = |case: &Case| converters.run(case);
    let differ = check("converters/simple.jsonl.gz", run, differs);
    let known = [(HALF_A_PAIR, 75), (MULTI_BYTE, 53), (EBCDIC, 91)];
    assert_eq!(differ, known.into());
}

#[test]
fn json_does_what_java_does() {
    let mut converters = Converters::default();
    let run = |case: &Case| converters.run(case);
    let differ = check("converters/json.jsonl.gz", run, differs);
    assert_eq!(differ, [(HALF_A_PAIR, 38)].into());
}

#[test]
fn simple_headers_are_what_java_makes_of_them() {
    let mut converters = Converters::default();
    let run = |case: &Case| converters.run(case);
    let differ = check("converters/headers.jsonl.gz", run, differs);
    assert_eq!(differ, [(HALF_A_PAIR, 3)].into());
}
