//! The tenant door: tokens, hunting, incidents, actions.
