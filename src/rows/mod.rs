//! Decodes hunting answers while they stream.
