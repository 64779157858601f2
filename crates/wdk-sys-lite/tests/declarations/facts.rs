//! What the real crate generates, as the test data records it, and the comparison with what is
//! declared here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::declared::{Declared, Enumeration, Signature, Structure, normal};

/// A function: of the kernel, or of the framework with its index in the table.
#[derive(Deserialize)]
struct Function {
    index: Option<usize>,
    params: Vec<(String, String)>,
    returns: String,
    source: Option<String>,
}

/// A structure's members, where they are known.
#[derive(Deserialize)]
#[serde(untagged)]
enum Members {
    Structure(Vec<(String, String, Option<usize>)>),
    Union(Vec<(String, String)>),
    /// `"not listed"`.
    Unknown(
        #[allow(
            dead_code,
            reason = "serde needs a form to read; its words do not matter"
        )]
        String,
    ),
}

/// A type.
#[derive(Deserialize)]
struct Type {
    alias: Option<String>,
    kind: Option<String>,
    size: Option<usize>,
    align: Option<usize>,
    fields: Option<Members>,
    #[serde(rename = "type")]
    integer: Option<String>,
    values: Option<BTreeMap<String, String>>,
    source: Option<String>,
}

/// `wdk-sys.json`.
#[derive(Deserialize)]
struct Generated {
    functions: BTreeMap<String, Function>,
    wdf: BTreeMap<String, Function>,
    wdf_function_index: BTreeMap<String, usize>,
    types: BTreeMap<String, Type>,
    constants: BTreeMap<String, (String, String)>,
}

#[derive(Deserialize)]
struct Constant {
    value: (String, String),
    source: String,
}

#[derive(Deserialize)]
struct Static {
    #[serde(rename = "type")]
    ty: String,
    mutable: bool,
    link_name: Option<String>,
    source: String,
}

/// `additions.json`: what the facts do not list, each with its source.
#[derive(Deserialize)]
struct Additions {
    functions: BTreeMap<String, Function>,
    framework: BTreeMap<String, Function>,
    types: BTreeMap<String, Type>,
    constants: BTreeMap<String, Constant>,
    statics: BTreeMap<String, Static>,
    helpers: BTreeMap<String, String>,
}

/// `differences.json`: a reviewed difference between what is declared here and one of the two
/// references.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Difference {
    /// Which of the two: `wdk-sys` or `windows-sys`.
    pub reference: String,
    pub item: String,
    pub declared: String,
    pub there: String,
    pub reason: String,
}

/// All references together.
pub struct Facts {
    generated: Generated,
    written: BTreeMap<String, (String, String)>,
    additions: Additions,
    pub differences: Vec<Difference>,
}

fn json<T: DeserializeOwned>(name: &str, text: &str) -> T {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("tests/data/{name}: {error}"))
}

impl Facts {
    /// Reads the test data.
    pub fn read() -> Self {
        Self {
            generated: json("wdk-sys.json", include_str!("../data/wdk-sys.json")),
            written: json(
                "wdk-sys-constants.json",
                include_str!("../data/wdk-sys-constants.json"),
            ),
            additions: json("additions.json", include_str!("../data/additions.json")),
            differences: json("differences.json", include_str!("../data/differences.json")),
        }
    }

    fn ty(&self, name: &str) -> Option<&Type> {
        self.generated
            .types
            .get(name)
            .or_else(|| self.additions.types.get(name))
    }
}

/// Sets reviewed differences apart from the rest, and finds those that no longer exist.
pub struct Review<'a> {
    reference: &'a str,
    differences: &'a [Difference],
    used: BTreeSet<usize>,
    pub complaints: Vec<String>,
}

impl<'a> Review<'a> {
    /// A review of the differences from one reference.
    pub fn new(reference: &'a str, differences: &'a [Difference]) -> Self {
        Self {
            reference,
            differences,
            used: BTreeSet::new(),
            complaints: Vec::new(),
        }
    }

    /// Compares two texts for an item: a difference must be on the list.
    pub fn compare(&mut self, item: &str, declared: &str, there: &str) {
        if declared == there {
            return;
        }
        let listed = self.differences.iter().position(|difference| {
            difference.reference == self.reference
                && difference.item == item
                && difference.declared == declared
                && difference.there == there
        });
        match listed {
            Some(index) => drop(self.used.insert(index)),
            None => {
                self.complaints.push(format!(
                    "{item}: declared {declared}, in {} it is {there}",
                    self.reference
                ));
            }
        }
    }

    /// What is wrong, with the listed differences that were not met.
    pub fn finish(mut self) -> Vec<String> {
        for (index, difference) in self.differences.iter().enumerate() {
            if difference.reference != self.reference || self.used.contains(&index) {
                continue;
            }
            self.complaints.push(format!(
                "{}: the listed difference is gone",
                difference.item
            ));
        }
        self.complaints
    }
}

/// Compares everything declared with the facts. Each complaint is one line.
pub fn complaints(declared: &Declared, facts: &Facts) -> Vec<String> {
    let mut review = Review::new("wdk-sys", &facts.differences);
    additions_have_sources(facts, &mut review.complaints);
    aliases(declared, facts, &mut review);
    for (name, structure) in &declared.structures {
        check_structure(name, structure, declared, facts, &mut review);
    }
    for (name, enumeration) in &declared.enumerations {
        if name == "_WDFFUNCENUM" {
            indices(enumeration, facts, &mut review);
        } else {
            check_enumeration(name, enumeration, declared, facts, &mut review);
        }
    }
    constants(declared, facts, &mut review);
    for (name, export) in &declared.functions {
        let fact = facts
            .generated
            .functions
            .get(name)
            .or_else(|| facts.additions.functions.get(name));
        match fact {
            Some(fact) => {
                let there = fact.signature();
                review.compare(
                    &format!("fn {name}"),
                    &shown(&export.signature),
                    &shown(&there),
                );
                review.compare(
                    &format!("fn {name} (attributes)"),
                    &export.attributes,
                    attributes(&there),
                );
            }
            None => review.complaints.push(not_in_the_facts("function", name)),
        }
    }
    framework(declared, facts, &mut review);
    statics_and_helpers(declared, facts, &mut review.complaints);
    review.finish()
}

fn not_in_the_facts(kind: &str, name: &str) -> String {
    format!("{kind} {name} is neither in the facts nor in additions.json")
}

/// A signature as one line of text.
pub fn shown(signature: &Signature) -> String {
    let mut text = String::from("fn(");
    for (position, (name, ty)) in signature.parameters.iter().enumerate() {
        let comma = if position == 0 { "" } else { "," };
        let _ = write!(text, "{comma}{name}:{ty}");
    }
    text.push_str(if signature.variadic { ",...)" } else { ")" });
    if signature.result != "()" {
        let _ = write!(text, "->{}", signature.result);
    }
    text
}

/// What `wdk-sys` writes above an exported function. `wdk-build` 0.6.0 (`bindgen.rs`) tells bindgen
/// that the results of two types must be used: `NTSTATUS`, and `HRESULT`, which no function here
/// returns.
fn attributes(signature: &Signature) -> &'static str {
    match signature.result.as_str() {
        "NTSTATUS" => "#[must_use]",
        _ => "",
    }
}

impl Function {
    fn signature(&self) -> Signature {
        Signature {
            parameters: self
                .params
                .iter()
                .map(|(name, ty)| (normal(name), normal(ty)))
                .collect(),
            variadic: false,
            result: normal(&self.returns),
        }
    }
}

fn additions_have_sources(facts: &Facts, complaints: &mut Vec<String>) {
    let Additions {
        functions,
        framework,
        types,
        constants,
        statics,
        helpers,
    } = &facts.additions;
    let functions = functions
        .iter()
        .chain(framework)
        .map(|(name, fact)| (name, fact.source.as_deref()));
    let types = types
        .iter()
        .map(|(name, fact)| (name, fact.source.as_deref()));
    let constants = constants
        .iter()
        .map(|(name, fact)| (name, Some(&*fact.source)));
    let statics = statics
        .iter()
        .map(|(name, fact)| (name, Some(&*fact.source)));
    let helpers = helpers.iter().map(|(name, source)| (name, Some(&**source)));
    for (name, source) in functions
        .chain(types)
        .chain(constants)
        .chain(statics)
        .chain(helpers)
    {
        if source.is_none_or(|source| source.trim().is_empty()) {
            complaints.push(format!("additions.json: {name} has no source"));
        }
        let generated = &facts.generated;
        if generated.functions.contains_key(name)
            || generated.types.contains_key(name)
            || generated.constants.contains_key(name)
        {
            complaints.push(format!("additions.json: {name} is in the facts"));
        }
    }
}

fn aliases(declared: &Declared, facts: &Facts, review: &mut Review<'_>) {
    for (name, target) in &declared.aliases {
        let framework = facts
            .generated
            .wdf
            .iter()
            .chain(&facts.additions.framework)
            .find(|(function, _)| pointer(function) == *name);
        if let Some((_, function)) = framework {
            review.compare(
                &format!("type {name}"),
                target,
                &format!("Option<{}>", shown(&function.signature())),
            );
        } else if let Some(fact) = facts.ty(name).and_then(|fact| fact.alias.as_ref()) {
            review.compare(&format!("type {name}"), target, &normal(fact));
        } else {
            review.complaints.push(not_in_the_facts("type", name));
        }
    }
}

fn check_structure(
    name: &str,
    structure: &Structure,
    declared: &Declared,
    facts: &Facts,
    review: &mut Review<'_>,
) {
    let Some(fact) = facts.ty(name).filter(|fact| fact.kind.is_some()) else {
        review.complaints.push(not_in_the_facts("structure", name));
        return;
    };
    review.compare(
        &format!("{name} (kind)"),
        structure.kind,
        fact.kind.as_deref().unwrap_or_default(),
    );
    let fields = match (&fact.fields, fact.size) {
        (Some(Members::Structure(fields)), _) => fields
            .iter()
            .map(|(name, ty, _)| (name.clone(), normal(ty)))
            .collect(),
        (Some(Members::Union(fields)), _) => fields
            .iter()
            .map(|(name, ty)| (name.clone(), normal(ty)))
            .collect(),
        (_, Some(size)) => vec![("_opaque".to_owned(), format!("[u8;{size}]"))],
        (_, None) => vec![("_unused".to_owned(), "[u8;0]".to_owned())],
    };
    let list = |fields: &[(String, String)]| {
        fields
            .iter()
            .map(|(name, ty)| format!("{name}:{ty}"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    review.compare(
        &format!("{name} (fields)"),
        &list(&structure.fields),
        &list(&fields),
    );
    if !structure.derives.contains("Copy") || !structure.derives.contains("Clone") {
        review
            .complaints
            .push(format!("{name}: bindgen derives Copy and Clone"));
    }
    let has_default =
        declared.zeroed_defaults.contains(name) || structure.derives.contains("Default");
    if fact.size.is_some() && !has_default {
        review
            .complaints
            .push(format!("{name}: bindgen gives it a Default"));
    }
}

fn check_enumeration(
    name: &str,
    enumeration: &Enumeration,
    declared: &Declared,
    facts: &Facts,
    review: &mut Review<'_>,
) {
    let Some((fact, values)) = facts
        .ty(name)
        .and_then(|fact| Some((fact, fact.values.as_ref()?)))
    else {
        review
            .complaints
            .push(not_in_the_facts("enumeration", name));
        return;
    };
    review.compare(
        &format!("{name}::Type"),
        &enumeration.ty,
        fact.integer.as_deref().unwrap_or_default(),
    );
    let declared_names: BTreeSet<_> = enumeration.values.keys().collect();
    if declared_names != values.keys().collect() {
        review
            .complaints
            .push(format!("{name}: its constants are not those of the facts"));
    }
    for (constant, (ty, value)) in &enumeration.values {
        if let Some(fact) = values.get(constant) {
            let item = format!("{name}::{constant}");
            review.compare(
                &item,
                &format!("{ty} {value}"),
                &format!("Type {}", normal(fact)),
            );
        }
    }
    if let Some(alias) = name.strip_prefix('_') {
        let target = declared
            .enumeration_aliases
            .get(alias)
            .map_or("", String::as_str);
        review.compare(&format!("type {alias}"), target, name);
    }
}

fn constants(declared: &Declared, facts: &Facts, review: &mut Review<'_>) {
    for (name, (ty, value)) in &declared.constants {
        match facts
            .generated
            .constants
            .get(name)
            .or_else(|| facts.written.get(name))
        {
            Some((fact_type, fact)) => {
                let fact = if fact_type.starts_with('&') {
                    fact.clone()
                } else {
                    normal(fact)
                };
                review.compare(
                    &format!("const {name}"),
                    &format!("{ty} {value}"),
                    &format!("{} {fact}", normal(fact_type)),
                );
            }
            None => review.complaints.push(not_in_the_facts("constant", name)),
        }
    }
}

/// The name of a framework function's pointer type.
fn pointer(function: &str) -> String {
    format!("PFN_{}", function.to_uppercase())
}

fn indices(enumeration: &Enumeration, facts: &Facts, review: &mut Review<'_>) {
    review.compare("_WDFFUNCENUM::Type", &enumeration.ty, "c_int");
    for (constant, (ty, value)) in &enumeration.values {
        let function = constant.strip_suffix("TableIndex").unwrap_or_default();
        let fact = facts
            .generated
            .wdf_function_index
            .get(function)
            .map(ToString::to_string);
        let fact = fact.or_else(|| Some(facts.additions.constants.get(constant)?.value.1.clone()));
        match fact {
            Some(fact) => {
                review.compare(
                    &format!("index {constant}"),
                    &format!("{ty} {value}"),
                    &format!("Type {fact}"),
                );
            }
            None => review.complaints.push(not_in_the_facts("index", constant)),
        }
    }
}

fn framework(declared: &Declared, facts: &Facts, review: &mut Review<'_>) {
    for (name, call) in &declared.calls {
        let fact = facts.generated.wdf.get(name);
        let Some(fact) = fact.or_else(|| facts.additions.framework.get(name)) else {
            review
                .complaints
                .push(not_in_the_facts("framework function", name));
            continue;
        };
        let mut signature = fact.signature();
        let globals = signature.parameters.remove(0);
        review.compare(
            &format!("{name} (globals)"),
            "PWDF_DRIVER_GLOBALS",
            &globals.1,
        );
        review.compare(
            &format!("{name} (call)"),
            &shown(&call.signature),
            &shown(&signature),
        );
        review.compare(
            &format!("{name} (index)"),
            &call.index,
            &format!("{name}TableIndex"),
        );
        review.compare(&format!("{name} (pointer)"), &call.pointer, &pointer(name));
        let number = declared
            .enumerations
            .get("_WDFFUNCENUM")
            .and_then(|indices| indices.values.get(&call.index));
        let number = number.map_or("", |(_, value)| value);
        review.compare(
            &format!("{name} (number)"),
            number,
            &fact.index.unwrap_or_default().to_string(),
        );
    }
    for (position, name) in declared.function_names.iter().enumerate() {
        if facts.generated.wdf_function_index.get(name) != Some(&position) {
            review
                .complaints
                .push(format!("WDF_FUNCTION_NAMES has {name} at {position}"));
        }
    }
    if declared.function_names.len() != facts.generated.wdf_function_index.len() {
        review
            .complaints
            .push("WDF_FUNCTION_NAMES does not have every function".to_owned());
    }
}

fn statics_and_helpers(declared: &Declared, facts: &Facts, complaints: &mut Vec<String>) {
    for (name, item) in &declared.statics {
        let same = facts.additions.statics.get(name).is_some_and(|fact| {
            normal(&fact.ty) == item.ty
                && fact.mutable == item.mutable
                && fact.link_name == item.link_name
        });
        if !same {
            complaints.push(format!("static {name} is not as additions.json has it"));
        }
    }
    for name in &declared.helpers {
        if !facts.additions.helpers.contains_key(name) {
            complaints.push(not_in_the_facts("item", name));
        }
    }
}

/// The text of `layout.rs`: the size, alignment and field offsets of every structure declared.
pub fn layouts(declared: &Declared, facts: &Facts) -> String {
    let mut text = String::from(
        "//! The layout that each declared structure must have, from the facts.\n\
         //!\n\
         //! Generated: `UPDATE=1 cargo test -p wdk-sys-lite` writes this file again.\n\n\
         use crate::layouts;\n\n\
         layouts! {\n",
    );
    for name in declared.structures.keys() {
        let Some(Type {
            size: Some(size),
            align: Some(align),
            fields,
            ..
        }) = facts.ty(name)
        else {
            continue;
        };
        let fields: Vec<String> = match fields {
            Some(Members::Structure(fields)) => {
                let known = fields
                    .iter()
                    .filter_map(|(name, _, offset)| Some((name, (*offset)?)));
                known
                    .map(|(name, offset)| format!("        {name}: {offset},\n"))
                    .collect()
            }
            Some(Members::Union(fields)) => fields
                .iter()
                .map(|(name, _)| format!("        {name}: 0,\n"))
                .collect(),
            _ => Vec::new(),
        };
        let _ = writeln!(
            text,
            "    {name} size {size} align {align} {{\n{}    }}",
            fields.concat()
        );
    }
    text.push_str("}\n");
    text
}
