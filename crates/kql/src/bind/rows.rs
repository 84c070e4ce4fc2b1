//! The columns in scope while a query is bound, and how operators make new ones.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::types::{Column, Conversion, ScalarType, Schema, Shape};

/// A column in scope. Two columns are the same column if their ids are equal; a renamed column is
/// another one.
#[derive(Debug, Clone)]
pub(super) struct Col {
    pub(super) id: u32,
    pub(super) name: Arc<str>,
    pub(super) shape: Shape,
}

impl Col {
    pub(super) fn ty(&self) -> ScalarType {
        self.shape.scalar()
    }
}

/// The rows in scope.
#[derive(Debug, Clone, Default)]
pub(super) struct Rows {
    pub(super) columns: Vec<Col>,
    /// Whether there may be further columns.
    pub(super) open: bool,
}

impl Rows {
    pub(super) fn find(&self, name: &str) -> Option<(usize, &Col)> {
        self.columns.iter().enumerate().find(|(_, column)| *column.name == *name)
    }

    pub(super) fn schema(&self) -> Schema {
        let columns =
            self.columns.iter().map(|column| Column::new(Arc::clone(&column.name), column.ty())).collect();
        Schema { columns, open: self.open }
    }
}

/// Hands out identities of columns.
#[derive(Debug, Default)]
pub(super) struct Ids(u32);

impl Ids {
    pub(super) fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(1);
        self.0
    }

    pub(super) fn column(&mut self, name: impl Into<Arc<str>>, shape: Shape) -> Col {
        Col { id: self.next(), name: name.into(), shape }
    }

    pub(super) fn rows(&mut self, schema: &Schema) -> Rows {
        let columns = schema
            .columns
            .iter()
            .map(|column| self.column(Arc::clone(&column.name), Shape::of(column.ty)))
            .collect();
        Rows { columns, open: schema.open }
    }
}

/// Names already given, and the numbers behind them.
#[derive(Debug, Default)]
pub(super) struct UniqueNames(BTreeMap<Arc<str>, u32>);

impl UniqueNames {
    /// Notes a name; returns false if it was there.
    pub(super) fn add(&mut self, name: &Arc<str>) -> bool {
        if self.0.contains_key(&**name) {
            return false;
        }
        self.0.insert(Arc::clone(name), 1);
        true
    }

    /// Notes a name, or if it was there the name with the first number that makes it new.
    pub(super) fn get(&mut self, name: &Arc<str>) -> Arc<str> {
        if self.add(name) {
            return Arc::clone(name);
        }
        let mut number = self.0.get(&**name).copied().unwrap_or(1);
        loop {
            let candidate: Arc<str> = format!("{name}{number}").into();
            number += 1;
            if self.add(&candidate) {
                self.0.insert(Arc::clone(name), number);
                return candidate;
            }
        }
    }
}

/// What a projected column is made from; the index into the operator's own list of expressions.
pub(super) type Origin = usize;

/// Builds the columns of a projection by the rules for names: an explicit name may be given once,
/// an automatic one gets a number if it is taken.
#[derive(Debug, Default)]
pub(super) struct Projection {
    columns: Vec<(Col, Origin)>,
    skipped: BTreeSet<u32>,
    declared: BTreeSet<Arc<str>>,
    names: UniqueNames,
}

/// The name was given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Duplicate;

/// What happens to a column that has the name already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clash {
    /// The new column gets a number.
    Number,
    /// The new column takes the place of the old one.
    Replace,
}

impl Projection {
    /// Adds a column under an automatic name.
    pub(super) fn add(&mut self, ids: &mut Ids, mut column: Col, origin: Origin, clash: Clash) {
        if column.name.is_empty() || self.skipped.contains(&column.id) {
            return;
        }
        if clash == Clash::Replace
            && let Some(place) = self.place(&column.name)
        {
            *place = (column, origin);
            return;
        }
        let name = self.names.get(&column.name);
        if name != column.name {
            column = Col { id: ids.next(), name, shape: column.shape };
        }
        self.columns.push((column, origin));
    }

    /// Adds a column under a name that the query gives.
    pub(super) fn declare(
        &mut self,
        ids: &mut Ids,
        column: Col,
        origin: Origin,
        clash: Clash,
    ) -> Result<(), Duplicate> {
        if self.declared.contains(&column.name) {
            return Err(Duplicate);
        }
        let name = Arc::clone(&column.name);
        if clash == Clash::Replace
            && let Some(place) = self.place(&name)
        {
            *place = (column, origin);
            self.declared.insert(name);
            return Ok(());
        }
        let before = self.columns.len();
        self.add(ids, column, origin, Clash::Number);
        if before < self.columns.len()
            && let Some((added, _)) = self.columns.last()
        {
            self.declared.insert(Arc::clone(&added.name));
        }
        Ok(())
    }

    /// Leaves out this column from now on.
    pub(super) fn skip(&mut self, id: u32) {
        self.skipped.insert(id);
    }

    /// Leaves out all columns there are from now on.
    pub(super) fn skip_present(&mut self) {
        self.skipped.extend(self.columns.iter().map(|(column, _)| column.id));
    }

    /// Renames the column `old`; nothing happens if there is none.
    pub(super) fn rename(&mut self, ids: &mut Ids, old: &str, new: &Arc<str>) -> Result<(), Duplicate> {
        if self.declared.contains(new) {
            return Err(Duplicate);
        }
        if let Some(place) = self.place(old) {
            place.0 = Col { id: ids.next(), name: Arc::clone(new), shape: place.0.shape.clone() };
            self.declared.remove(old);
            self.declared.insert(Arc::clone(new));
            self.names.add(new);
        }
        Ok(())
    }

    /// Marks all columns there are as named by the query.
    pub(super) fn declare_present(&mut self) {
        self.declared.extend(self.columns.iter().map(|(column, _)| Arc::clone(&column.name)));
    }

    /// Returns the columns in order, each with what it is made from.
    pub(super) fn finish(self) -> Vec<(Col, Origin)> {
        self.columns
    }

    fn place(&mut self, name: &str) -> Option<&mut (Col, Origin)> {
        self.columns.iter_mut().find(|(column, _)| *column.name == *name)
    }
}

/// Where a column of several tables side by side comes from: table, column.
pub(super) type Place = (usize, usize);

/// Unifies the columns of tables by name and type: columns that agree in both become one, columns
/// that agree in name alone get their type behind their name. Returns each with its sources.
pub(super) fn unify(ids: &mut Ids, tables: &[&Rows]) -> Vec<(Col, Vec<Place>)> {
    let mut by_name: BTreeMap<&str, Vec<(ScalarType, Vec<Place>)>> = BTreeMap::new();
    for (table, rows) in tables.iter().enumerate() {
        for (index, column) in rows.columns.iter().enumerate() {
            let types = by_name.entry(&column.name).or_default();
            match types.iter_mut().find(|(ty, _)| *ty == column.ty()) {
                Some((_, places)) => places.push((table, index)),
                None => types.push((column.ty(), vec![(table, index)])),
            }
        }
    }
    let mut names = UniqueNames::default();
    let mut unified = Vec::new();
    for column in tables.iter().flat_map(|rows| &rows.columns) {
        let Some(types) = by_name.remove(&*column.name) else {
            continue;
        };
        let several = types.len() > 1;
        for (ty, places) in types {
            let plain =
                if several { format!("{}_{ty}", column.name).into() } else { Arc::clone(&column.name) };
            let shape = common_shape(tables, &places).unwrap_or(Shape::of(ty));
            let name = names.get(&plain);
            let single = !several && places.len() == 1 && name == column.name;
            let id = if single { column.id } else { ids.next() };
            unified.push((Col { id, name, shape }, places));
        }
    }
    unified
}

fn common_shape(tables: &[&Rows], places: &[Place]) -> Option<Shape> {
    let mut shapes = places
        .iter()
        .filter_map(|(table, index)| tables.get(*table)?.columns.get(*index))
        .map(|column| &column.shape);
    let first = shapes.next()?.clone();
    shapes.try_fold(first, |common, shape| common.common(shape, Conversion::Exact))
}

/// Gives columns that share a name with an earlier one a number, without touching names that
/// others have.
pub(super) fn number_duplicates(ids: &mut Ids, columns: &mut [Col]) {
    let mut first: BTreeMap<Arc<str>, usize> = BTreeMap::new();
    let mut names = UniqueNames::default();
    for (index, column) in columns.iter().enumerate() {
        first.entry(Arc::clone(&column.name)).or_insert(index);
        names.add(&column.name);
    }
    for (index, column) in columns.iter_mut().enumerate() {
        if first.get(&column.name) != Some(&index) {
            *column = Col { id: ids.next(), name: names.get(&column.name), shape: column.shape.clone() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(ids: &mut Ids, columns: &[(&str, ScalarType)]) -> Rows {
        let columns = columns.iter().map(|(name, ty)| ids.column(*name, Shape::of(*ty))).collect();
        Rows { columns, open: false }
    }

    fn names<'a>(columns: impl IntoIterator<Item = &'a Col>) -> Vec<String> {
        columns.into_iter().map(|column| format!("{}:{}", column.name, column.ty())).collect()
    }

    #[test]
    fn duplicates_get_the_first_free_number() {
        let mut ids = Ids::default();
        let ty = ScalarType::Long;
        let mut columns = rows(&mut ids, &[("c", ty), ("c", ty), ("c1", ty), ("c", ty)]).columns;
        number_duplicates(&mut ids, &mut columns);
        assert_eq!(names(&columns), ["c:long", "c2:long", "c1:long", "c3:long"]);
    }

    #[test]
    fn columns_unify_by_name_and_type() {
        let mut ids = Ids::default();
        let left = rows(&mut ids, &[("a", ScalarType::Long), ("b", ScalarType::String)]);
        let right = rows(&mut ids, &[("b", ScalarType::Long), ("a", ScalarType::Long)]);
        let unified = unify(&mut ids, &[&left, &right]);
        assert_eq!(
            names(unified.iter().map(|(column, _)| column)),
            ["a:long", "b_string:string", "b_long:long"]
        );
        assert_eq!(unified.first().map(|(_, places)| places.clone()), Some(vec![(0, 0), (1, 1)]));
    }

    #[test]
    fn a_name_may_be_declared_once() {
        let mut ids = Ids::default();
        let mut projection = Projection::default();
        let column = |ids: &mut Ids| ids.column("a", Shape::of(ScalarType::Long));
        let first = column(&mut ids);
        assert_eq!(projection.declare(&mut ids, first, 0, Clash::Number), Ok(()));
        let second = column(&mut ids);
        assert_eq!(projection.declare(&mut ids, second, 1, Clash::Number), Err(Duplicate));
        let third = column(&mut ids);
        projection.add(&mut ids, third, 2, Clash::Number);
        assert_eq!(names(projection.finish().iter().map(|(column, _)| column)), ["a:long", "a1:long"]);
    }
}
