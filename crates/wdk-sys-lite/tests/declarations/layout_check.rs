//! Comparing the layout of a compiled structure with the one that it must have.

/// A structure's layout as it is and as it must be.
pub struct LayoutCheck {
    pub name: &'static str,
    pub size: (usize, usize),
    pub align: (usize, usize),
    /// Each field's name, its offset, and the offset that it must have.
    pub fields: Vec<(&'static str, usize, usize)>,
}

/// Makes a function `layouts` that measures each structure named.
#[macro_export]
macro_rules! layouts {
    ($($name:ident size $size:literal align $align:literal { $($field:ident: $offset:literal,)* })+) => {
        /// Every structure's layout, measured and as the facts have it.
        pub fn layouts() -> Vec<$crate::layout_check::LayoutCheck> {
            vec![$(
                $crate::layout_check::LayoutCheck {
                    name: stringify!($name),
                    size: (size_of::<wdk_sys_lite::$name>(), $size),
                    align: (align_of::<wdk_sys_lite::$name>(), $align),
                    fields: vec![$(
                        (stringify!($field), std::mem::offset_of!(wdk_sys_lite::$name, $field), $offset)
                    ),*],
                }
            ),+]
        }
    };
}

/// One line for each measure that is not what it must be.
pub fn complaints(layouts: &[LayoutCheck]) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut compare = |what: String, (found, expected): (usize, usize)| {
        if found != expected {
            complaints.push(format!("{what} is {found}, must be {expected}"));
        }
    };
    for layout in layouts {
        compare(format!("{}: its size", layout.name), layout.size);
        compare(format!("{}: its alignment", layout.name), layout.align);
        for (field, found, expected) in &layout.fields {
            compare(
                format!("{}.{field}: its offset", layout.name),
                (*found, *expected),
            );
        }
    }
    complaints
}
