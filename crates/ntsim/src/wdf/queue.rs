//! I/O queues: how requests wait, and how they reach a driver.

use super::table::wdf_functions;

wdf_functions! {}
