//! The simulated tenant: a server that speaks the tenant's HTTP.

mod hunter;

pub use hunter::{CannedHunter, HuntColumn, HuntFault, HuntRows, HuntTable, HuntWindow, Hunter};
