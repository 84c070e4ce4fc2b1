//! The catalogue of response actions.
