//! What names mean, apart from columns: variables, parameters, functions.

use std::rc::Rc;

use super::rows::Rows;
use super::typed::Typed;
use crate::plan::{LocalId, SlotId};
use crate::syntax;
use crate::types::Shape;

/// The names in force at a place; extending it leaves the shorter one as it is, so that functions
/// keep the names of the place where they were written.
#[derive(Debug, Clone, Default)]
pub(super) struct Env<'a>(Option<Rc<Node<'a>>>);

#[derive(Debug)]
struct Node<'a> {
    name: &'a str,
    binding: Binding<'a>,
    parent: Env<'a>,
}

/// What a name means.
#[derive(Debug, Clone)]
pub(super) enum Binding<'a> {
    /// A constant that is put in the name's place.
    Literal(Rc<Typed>),
    /// A scalar computed once.
    Slot(SlotId, Shape),
    /// A scalar computed for each row.
    Local(LocalId, Shape),
    /// A table.
    Table(SlotId, Rc<Rows>),
    /// A function, with the names of its place.
    Function(&'a syntax::Function, Env<'a>),
    /// A node or edge of a graph pattern: its columns start here in the row.
    Element(usize, Rc<Rows>),
    /// A step of `scan`.
    Step(usize, Rc<Rows>),
    /// A graph.
    Graph(Rc<super::graph::Graph>),
    /// Something that was wrong; it has been reported.
    Broken,
}

impl<'a> Env<'a> {
    /// Adds a name.
    pub(super) fn bind(&mut self, name: &'a str, binding: Binding<'a>) {
        let parent = self.clone();
        self.0 = Some(Rc::new(Node { name, binding, parent }));
    }

    /// Finds what a name means.
    pub(super) fn find(&self, name: &str) -> Option<&Binding<'a>> {
        self.iter().find(|(known, _)| *known == name).map(|(_, binding)| binding)
    }

    /// Returns the names and what they mean, the latest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'a str, &Binding<'a>)> {
        let mut next = self.0.as_deref();
        std::iter::from_fn(move || {
            let node = next?;
            next = node.parent.0.as_deref();
            Some((node.name, &node.binding))
        })
    }
}

impl Drop for Node<'_> {
    /// Frees a long chain without recursion.
    fn drop(&mut self) {
        let mut next = std::mem::take(&mut self.parent).0;
        while let Some(node) = next {
            match Rc::try_unwrap(node) {
                Ok(mut owned) => next = std::mem::take(&mut owned.parent).0,
                Err(_) => break,
            }
        }
    }
}
