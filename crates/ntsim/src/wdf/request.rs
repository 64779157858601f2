//! Requests as a driver sees them: parameters, buffers, cancellation, completion.

use super::table::wdf_functions;

wdf_functions! {}
