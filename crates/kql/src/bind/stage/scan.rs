//! `scan`.

use super::super::env::Binding;
use super::super::rows::{Rows, number_duplicates};
use super::super::source::Table;
use super::super::typed::Typed;
use super::super::{Binder, UNKNOWN_NAME};
use super::NoDynamic;
use crate::plan::{Expr as Planned, Operator, Scan, ScanOutput, ScanStep};
use crate::syntax;
use crate::types::{ScalarType, Shape};
use crate::value::Value;

impl<'a> Binder<'a> {
    pub(super) fn scan(&mut self, table: &mut Table, scan: &'a syntax::Scan) {
        let order = self.sort_keys(&scan.order, NoDynamic::Ignored);
        let partition: Vec<Planned> = scan.partition.iter().map(|expr| self.scalar(expr).expr).collect();
        let mut rows = self.in_scope();
        let mut declared = Vec::new();
        for column in &scan.declare {
            let ty = self.type_named(&column.column.ty);
            let default = match &column.default {
                Some(default) => self.scalar(default),
                None => Typed::literal(Value::null(ty), Shape::of(ty), column.column.span),
            };
            declared.push(default.expr);
            let col = self.ids.column(column.column.name.text.as_str(), Shape::of(ty));
            rows.columns.push(col);
        }
        number_duplicates(&mut self.ids, &mut rows.columns);
        self.scope.known = rows.columns.len();
        self.scope.rows = Some(rows.clone());
        let steps = self.steps(scan, &rows);
        let match_id = scan.properties.iter().find(|property| property.name.text == "with_match_id");
        if let Some(property) = match_id {
            let name = super::property_text(&property.value).unwrap_or("match_id");
            let column = self.ids.column(name, Shape::of(ScalarType::Long));
            rows.columns.push(column);
        }
        let plan = Scan { partition, order, declared, with_match_id: match_id.is_some(), steps };
        table.push(Operator::Scan(Box::new(plan)), rows);
    }

    fn steps(&mut self, scan: &'a syntax::Scan, rows: &Rows) -> Vec<ScanStep> {
        let saved = self.env.clone();
        let shared = Self::shared(rows.clone());
        for (index, step) in scan.steps.iter().enumerate() {
            self.env.bind(&step.name.text, Binding::Step(index, shared.clone()));
        }
        let steps = scan.steps.iter().map(|step| self.step(step, rows)).collect();
        self.env = saved;
        steps
    }

    fn step(&mut self, step: &'a syntax::ScanStep, rows: &Rows) -> ScanStep {
        let condition = self.condition(&step.condition);
        let mut assignments = Vec::new();
        for assignment in &step.assignments {
            let value = self.scalar(&assignment.expr);
            let Some(name) = super::given_name(assignment) else {
                continue;
            };
            match rows.find(&name.text) {
                Some((index, _)) => assignments.push((index, value.expr)),
                None if rows.open => {}
                None => {
                    let message = format!("`{}` is not declared", name.text);
                    self.error(UNKNOWN_NAME, name.span, message);
                }
            }
        }
        let output = match step.output.as_ref().map(|name| name.text.as_str()) {
            Some("last") => ScanOutput::Last,
            Some("none") => ScanOutput::None,
            _ => ScanOutput::All,
        };
        ScanStep {
            name: step.name.text.clone(),
            optional: step.optional,
            output,
            condition: condition.expr,
            assignments,
        }
    }
}
