//! A playbook as understood.
