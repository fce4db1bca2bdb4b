//! Large files: the service stays small while they pass, and what was interrupted goes on.

mod memory;
mod resumed;
