//! Handlebars text, and the encoders for the places it goes to.
