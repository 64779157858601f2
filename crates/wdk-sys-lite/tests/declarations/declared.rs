//! What the crate's sources declare, read from their text, so that no item can be left out of a
//! comparison.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use quote::ToTokens;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{
    Attribute, Expr, Fields, ForeignItem, Ident, Item, Lit, ReturnType, Token, UnOp, UseTree,
    Visibility,
};

/// A source file's name and text.
pub type Source = (String, String);

/// A structure or union.
pub struct Structure {
    pub kind: &'static str,
    pub derives: String,
    pub fields: Vec<(String, String)>,
}

/// A function's parameters and result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    pub parameters: Vec<(String, String)>,
    pub variadic: bool,
    pub result: String,
}

/// A function that the kernel exports.
pub struct Export {
    pub signature: Signature,
    /// What is written above it, documentation aside.
    pub attributes: String,
}

/// A static that another program part defines.
pub struct Static {
    pub ty: String,
    pub mutable: bool,
    pub link_name: Option<String>,
}

/// A row of `wdf_calls!`.
pub struct Call {
    pub index: String,
    pub pointer: String,
    pub signature: Signature,
}

/// An enumeration, as bindgen writes it: a module with a `Type` and its constants.
#[derive(Default)]
pub struct Enumeration {
    pub ty: String,
    pub values: BTreeMap<String, (String, String)>,
}

/// Everything that the sources declare, by name.
#[derive(Default)]
pub struct Declared {
    pub aliases: BTreeMap<String, String>,
    pub structures: BTreeMap<String, Structure>,
    pub enumerations: BTreeMap<String, Enumeration>,
    /// `POOL_TYPE` for `_POOL_TYPE::Type`, and so on.
    pub enumeration_aliases: BTreeMap<String, String>,
    pub constants: BTreeMap<String, (String, String)>,
    pub functions: BTreeMap<String, Export>,
    pub statics: BTreeMap<String, Static>,
    pub calls: BTreeMap<String, Call>,
    pub function_names: Vec<String>,
    pub zeroed_defaults: BTreeSet<String>,
    /// What is not a declaration of the kit's: Rust functions, macros, implementations.
    pub helpers: BTreeSet<String>,
}

/// The sources that mirror nothing.
const OWN: [&str; 2] = ["atomic.rs", "under_miri.rs"];

/// The crate's own sources.
pub fn sources() -> Vec<Source> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources: Vec<Source> = fs::read_dir(directory)
        .expect("the crate has a directory of sources")
        .map(|entry| {
            let path = entry.expect("a readable directory").path();
            let name = path
                .file_name()
                .expect("a named file")
                .to_string_lossy()
                .into_owned();
            (
                name,
                fs::read_to_string(&path).expect("a readable source file"),
            )
        })
        .collect();
    sources.retain(|(name, _)| !OWN.contains(&name.as_str()));
    sources.sort();
    sources
}

/// The text of a type or an expression, with nothing in it that does not matter.
pub fn normal(text: &str) -> String {
    text.replace(char::is_whitespace, "")
        .replace("core::ffi::", "")
        .replace("unsafeextern\"C\"fn(", "fn(")
        .replace("usize]", "]")
        .replace(",)", ")")
        .replace(",>", ">")
}

fn text(tokens: impl ToTokens) -> String {
    normal(&tokens.to_token_stream().to_string())
}

impl Declared {
    /// Reads the sources. An item of a form that no comparison would see is an error.
    pub fn read(sources: &[Source]) -> Result<Self, String> {
        let mut declared = Self::default();
        let mut modules = BTreeSet::from(["lib.rs".to_owned()]);
        for (file, source) in sources {
            let parsed = syn::parse_file(source).map_err(|error| format!("{file}: {error}"))?;
            for item in &parsed.items {
                declared.item(file, item, &mut modules)?;
            }
        }
        let files: BTreeSet<String> = sources.iter().map(|(file, _)| file.clone()).collect();
        modules.retain(|name| !OWN.contains(&name.as_str()));
        if files != modules {
            return Err(format!(
                "the sources are {files:?}, the crate's modules are {modules:?}"
            ));
        }
        Ok(declared)
    }

    fn item(
        &mut self,
        file: &str,
        item: &Item,
        modules: &mut BTreeSet<String>,
    ) -> Result<(), String> {
        let added = match item {
            Item::Type(alias) => self
                .aliases
                .insert(alias.ident.to_string(), text(&alias.ty))
                .is_none(),
            Item::Struct(structure) => self.structure(
                "struct",
                &structure.ident,
                &structure.fields,
                &structure.attrs,
            ),
            Item::Union(union) => self.structure(
                "union",
                &union.ident,
                &Fields::Named(union.fields.clone()),
                &union.attrs,
            ),
            Item::Const(constant) if constant.ident == "WDF_FUNCTION_NAMES" => {
                self.function_names = names(&constant.expr)?;
                self.helpers.insert(format!("const {}", constant.ident))
            }
            Item::Const(constant) => {
                let value = (text(&constant.ty), value(&constant.expr)?);
                self.constants
                    .insert(constant.ident.to_string(), value)
                    .is_none()
            }
            Item::Fn(function) => self.helpers.insert(format!("fn {}", function.sig.ident)),
            Item::Impl(block) => self.helpers.insert(format!(
                "impl {}",
                text(&block.self_ty).replace("<Storage>", "")
            )),
            Item::Mod(module) => match &module.content {
                None => modules.insert(format!("{}.rs", module.ident)),
                Some((_, items)) if module.ident == "__private" || module.ident == "call" => {
                    for item in items {
                        self.item(file, item, modules)?;
                    }
                    true
                }
                Some((_, items)) => self.enumeration(&module.ident, items)?,
            },
            Item::Use(import) => {
                if matches!(import.vis, Visibility::Public(_)) {
                    self.reexport(&import.tree)?;
                }
                true
            }
            Item::ForeignMod(block) => {
                if text(&block.abi) != "extern\"C\"" || block.unsafety.is_none() {
                    return Err(format!(
                        "{file}: a block of declarations is not unsafe extern \"C\""
                    ));
                }
                for item in &block.items {
                    self.foreign(file, item)?;
                }
                true
            }
            Item::Macro(invocation) => self.macro_item(invocation)?,
            other => {
                return Err(format!(
                    "{file}: no comparison covers {}",
                    other.to_token_stream()
                ));
            }
        };
        if added {
            Ok(())
        } else {
            Err(format!(
                "{file}: declared twice: {}",
                item.to_token_stream()
            ))
        }
    }

    fn structure(
        &mut self,
        kind: &'static str,
        name: &Ident,
        fields: &Fields,
        attributes: &[Attribute],
    ) -> bool {
        let fields = fields.iter().map(|field| {
            let name = field.ident.as_ref().map(ToString::to_string);
            (name.unwrap_or_default(), text(&field.ty))
        });
        let derives = attributes
            .iter()
            .filter(|attribute| attribute.path().is_ident("derive"))
            .map(text)
            .collect();
        let structure = Structure {
            kind,
            derives,
            fields: fields.collect(),
        };
        self.structures
            .insert(name.to_string(), structure)
            .is_none()
    }

    fn enumeration(&mut self, name: &Ident, items: &[Item]) -> Result<bool, String> {
        let mut enumeration = Enumeration::default();
        for item in items {
            match item {
                Item::Type(ty) if ty.ident == "Type" => enumeration.ty = text(&ty.ty),
                Item::Const(constant) => {
                    let value = (text(&constant.ty), value(&constant.expr)?);
                    enumeration.values.insert(constant.ident.to_string(), value);
                }
                other => {
                    return Err(format!(
                        "{name}: no comparison covers {}",
                        other.to_token_stream()
                    ));
                }
            }
        }
        Ok(self
            .enumerations
            .insert(name.to_string(), enumeration)
            .is_none())
    }

    fn reexport(&mut self, tree: &UseTree) -> Result<(), String> {
        match text(tree).as_str() {
            "self::constants::*"
            | "self::types::*"
            | "self::wdf::__private"
            | "self::under_miri::{WdfDriverGlobals,WdfFunctions}" => return Ok(()),
            _ => {}
        }
        let UseTree::Path(path) = tree else {
            return Err(format!("no comparison covers {}", text(tree)));
        };
        let UseTree::Path(module) = &*path.tree else {
            return Err(format!("no comparison covers {}", text(tree)));
        };
        let UseTree::Rename(rename) = &*module.tree else {
            return Err(format!("no comparison covers {}", text(tree)));
        };
        if path.ident != "self" || rename.ident != "Type" {
            return Err(format!("no comparison covers {}", text(tree)));
        }
        self.enumeration_aliases
            .insert(rename.rename.to_string(), module.ident.to_string());
        Ok(())
    }

    fn foreign(&mut self, file: &str, item: &ForeignItem) -> Result<(), String> {
        match item {
            ForeignItem::Fn(function) if file == "ntddk.rs" => {
                let parameters = function.sig.inputs.iter().map(|input| match input {
                    syn::FnArg::Typed(typed) => Ok((text(&typed.pat), text(&typed.ty))),
                    syn::FnArg::Receiver(_) => Err(format!("{}: a receiver", function.sig.ident)),
                });
                let signature = Signature {
                    parameters: parameters.collect::<Result<_, _>>()?,
                    variadic: function.sig.variadic.is_some(),
                    result: result(&function.sig.output),
                };
                let attributes = function
                    .attrs
                    .iter()
                    .filter(|attribute| !attribute.path().is_ident("doc"));
                let export = Export {
                    signature,
                    attributes: attributes.map(text).collect(),
                };
                self.functions
                    .insert(function.sig.ident.to_string(), export);
                Ok(())
            }
            ForeignItem::Static(item) if file == "lib.rs" => {
                let link_name = item
                    .attrs
                    .iter()
                    .find(|attribute| attribute.path().is_ident("link_name"));
                let link_name = link_name.map(|attribute| {
                    text(attribute)
                        .trim_start_matches("#[link_name=\"")
                        .trim_end_matches("\"]")
                        .to_owned()
                });
                let mutable = matches!(item.mutability, syn::StaticMutability::Mut(_));
                self.statics.insert(
                    item.ident.to_string(),
                    Static {
                        ty: text(&item.ty),
                        mutable,
                        link_name,
                    },
                );
                Ok(())
            }
            other => Err(format!(
                "{file}: no comparison covers {}",
                other.to_token_stream()
            )),
        }
    }

    fn macro_item(&mut self, item: &syn::ItemMacro) -> Result<bool, String> {
        if let Some(name) = &item.ident {
            return Ok(self.helpers.insert(format!("macro {name}")));
        }
        let name = text(&item.mac.path);
        match name.as_str() {
            "zeroed_default" => {
                let names = item
                    .mac
                    .parse_body_with(Punctuated::<Ident, Token![,]>::parse_terminated);
                let names = names.map_err(|error| format!("zeroed_default: {error}"))?;
                self.zeroed_defaults
                    .extend(names.iter().map(ToString::to_string));
            }
            "wdf_calls" => {
                let calls: Calls = item
                    .mac
                    .parse_body()
                    .map_err(|error| format!("wdf_calls: {error}"))?;
                for (name, call) in calls.0 {
                    if self.calls.insert(name.clone(), call).is_some() {
                        return Err(format!("{name} is called twice"));
                    }
                }
            }
            _ => return Err(format!("no comparison covers {name}!")),
        }
        Ok(true)
    }
}

fn result(output: &ReturnType) -> String {
    match output {
        ReturnType::Default => "()".to_owned(),
        ReturnType::Type(_, ty) => text(ty),
    }
}

/// A constant's value: an integer in decimal, or the text of another expression.
fn value(expression: &Expr) -> Result<String, String> {
    match expression {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Int(integer) => Ok(integer.base10_digits().to_owned()),
            other => Ok(text(other)),
        },
        Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => {
            Ok(format!("-{}", value(&unary.expr)?))
        }
        // `0xC000_0001_u32.cast_signed()`, in which statuses are written.
        Expr::MethodCall(call) if call.method == "cast_signed" && call.args.is_empty() => {
            let bits: u32 = value(&call.receiver)?
                .parse()
                .map_err(|_| format!("not 32 bits: {}", text(call)))?;
            Ok(bits.cast_signed().to_string())
        }
        Expr::Call(call) if text(call) == "core::ptr::null_mut()" => Ok(text(call)),
        other => Err(format!(
            "no comparison covers the value {}",
            other.to_token_stream()
        )),
    }
}

fn names(expression: &Expr) -> Result<Vec<String>, String> {
    let Expr::Array(array) = expression else {
        return Err("the functions' names are not an array".to_owned());
    };
    let name = |element: &Expr| match element {
        Expr::Lit(syn::ExprLit {
            lit: Lit::Str(name),
            ..
        }) => Ok(name.value()),
        other => Err(format!(
            "not a function's name: {}",
            other.to_token_stream()
        )),
    };
    array.elems.iter().map(name).collect()
}

/// The rows of `wdf_calls!`: `Name[Index as Pointer](Parameter: Type, …) -> Result;`.
struct Calls(Vec<(String, Call)>);

impl Parse for Calls {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut calls = Vec::new();
        while !input.is_empty() {
            let name: Ident = input.parse()?;
            let table;
            syn::bracketed!(table in input);
            let index: Ident = table.parse()?;
            table.parse::<Token![as]>()?;
            let pointer: Ident = table.parse()?;
            let list;
            syn::parenthesized!(list in input);
            let parameters =
                Punctuated::<syn::PatType, Token![,]>::parse_terminated_with(&list, |parameter| {
                    let name: Ident = parameter.parse()?;
                    Ok(syn::PatType {
                        attrs: Vec::new(),
                        pat: Box::new(syn::parse_quote!(#name)),
                        colon_token: parameter.parse()?,
                        ty: parameter.parse()?,
                    })
                })?;
            let output: ReturnType = input.parse()?;
            input.parse::<Token![;]>()?;
            let signature = Signature {
                parameters: parameters
                    .iter()
                    .map(|typed| (text(&typed.pat), text(&typed.ty)))
                    .collect(),
                variadic: false,
                result: result(&output),
            };
            let call = Call {
                index: index.to_string(),
                pointer: pointer.to_string(),
                signature,
            };
            calls.push((name.to_string(), call));
        }
        Ok(Self(calls))
    }
}
