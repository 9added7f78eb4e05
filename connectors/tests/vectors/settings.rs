//! Vectors of validation: what a configuration's keys are, and what is wrong with their settings.

use connectors::config::{ConfigDef, KeySpec, Preset, Setting, Verdict};
use serde_json::{Value as Json, json};

use super::Case;

/// What validating the case's configuration says of each key, in the order of the names.
pub(crate) fn validated(definition: &ConfigDef, case: &Case) -> Json {
    let mut verdicts = definition.validate(&case.config());
    verdicts.sort_by(|a, b| a.name.cmp(&b.name));
    let key = |name: &str| {
        let found = definition.keys().iter().find(|key| key.name == name);
        found.expect("every verdict is on a key")
    };
    verdicts
        .iter()
        .map(|verdict| shown(verdict, key(&verdict.name)))
        .collect()
}

fn shown(verdict: &Verdict, key: &KeySpec) -> Json {
    let preset = match key.preset {
        Preset::Text(text) => Setting::parse(key.name, text, key.kind).expect("defaults parse"),
        Preset::Null | Preset::Required => Setting::Null,
    };
    json!({
        "name": verdict.name,
        "value": verdict.value.to_config_text(),
        "errors": verdict.errors,
        "visible": verdict.visible,
        "type": key.kind.as_str(),
        "required": key.preset == Preset::Required,
        "default": preset.to_config_text(),
        "importance": key.importance.as_str(),
        "doc": key.doc,
        "group": key.group,
        "order": key.order,
        "width": key.width.as_str(),
        "display": key.display,
    })
}
