//! The part of `wdk-sys` that this workspace uses, declared for machines without a Windows Driver Kit.
#![no_std]
