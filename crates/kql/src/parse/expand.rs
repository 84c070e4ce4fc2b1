//! `mv-expand` and `mv-apply`.

use super::parser::Parser;
use crate::lex::Punct;
use crate::syntax::{Expand, ExpandItem, MvApply, MvExpand, OperatorKind, Property, TypeName};

/// Options that stand in front of the columns.
const OPTIONS: &[&str] = &["bagexpansion", "kind", "with_itemindex"];

impl Parser<'_> {
    pub(super) fn mv_expand(&mut self) -> OperatorKind {
        OperatorKind::MvExpand(MvExpand { expand: self.expand() })
    }

    pub(super) fn mv_apply(&mut self) -> OperatorKind {
        let expand = self.expand();
        self.expect_word("on");
        self.expect(Punct::OpenParen);
        let body = self.sub_pipeline();
        self.close(Punct::CloseParen);
        OperatorKind::MvApply(MvApply { expand, body })
    }

    fn expand(&mut self) -> Expand {
        let properties = self.expand_properties();
        let items = self.commas(Self::expand_item);
        let limit = self.eat_word("limit").then(|| Box::new(self.expr()));
        Expand { properties, items, limit }
    }

    /// Reads the options. `kind = f(x)` is a column of that name, not an option.
    fn expand_properties(&mut self) -> Vec<Property> {
        let mut properties = Vec::new();
        while OPTIONS.contains(&self.word())
            && self.nth_is(1, Punct::Assign)
            && !self.nth_is(3, Punct::OpenParen)
            && !self.nth_is(3, Punct::Dot)
        {
            properties.push(self.property());
        }
        properties
    }

    fn expand_item(&mut self) -> ExpandItem {
        let expr = self.named_expr();
        let to = self.eat_word("to").then(|| self.typeof_name());
        ExpandItem { expr, to }
    }

    /// Reads `typeof(type)`.
    fn typeof_name(&mut self) -> TypeName {
        self.expect_word("typeof");
        self.expect(Punct::OpenParen);
        let name = self.type_name();
        self.close(Punct::CloseParen);
        name
    }
}
