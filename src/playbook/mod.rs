//! A playbook as written.
