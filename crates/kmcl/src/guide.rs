#![doc = include_str!("../docs/guide.md")]

pub mod requests {
    #![doc = include_str!("../docs/requests.md")]
    #![doc = ""]
    #![doc = "```ignore-windows,standalone_crate"]
    #![doc = include_str!("../docs/requests.rs")]
    #![doc = "```"]
}

pub mod silence {
    #![doc = include_str!("../docs/silence.md")]
}
