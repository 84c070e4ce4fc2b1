#![doc = include_str!("ARCHITECTURE.md")]

// Layer 0: words. No I/O (only `clock` waits).
pub mod clock;
pub mod diag;
pub mod fault;
pub mod model;

// Layer 1: doors to text, to the wire and to the disk. Each hides one heavy dependency.
pub mod cadence;
pub mod expr;
pub mod http;
pub mod kql;
pub mod rows;
pub mod store;
pub mod text;
pub mod yaml;

// Layer 2: what people write, whom we watch, whom we tell.
pub mod channel;
pub mod playbook;
pub mod settings;
pub mod sim;
pub mod tenant;

// Layer 3: what a playbook can do.
pub mod action;
pub mod feed;
pub mod guard;
pub mod hunt;
pub mod import;
pub mod incident;
pub mod notify;

// Layer 4: what a playbook means.
pub mod plan;

// Layer 5: doing it.
pub mod engine;
pub mod schedule;

// Layer 6: the process that keeps running, and the stage on which playbooks are tried.
pub mod daemon;
pub mod rehearsal;

// Layer 7: what people are told, and what they say.
pub mod console;

// Layer 8: the window.
pub mod web;

// Layer 9: the hand.
pub mod cli;
