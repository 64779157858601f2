//! File objects, as a driver sees them, and the framework's handling of create, cleanup and close.

use super::table::wdf_functions;

wdf_functions! {}
