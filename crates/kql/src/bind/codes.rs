//! The codes of this room.

use crate::diagnostic::Code;

macro_rules! codes {
    ($($(#[$meta:meta])* $name:ident = $number:literal, $title:literal;)+) => {
        $($(#[$meta])* pub const $name: Code = Code::new($number, $title);)+

        /// All codes of this room, in order.
        pub const ALL: &[Code] = &[$($name),+];
    };
}

codes! {
    /// A name in a scalar place means nothing.
    UNKNOWN_NAME = 100, "unknown column or variable";
    /// A name in a tabular place means nothing.
    UNKNOWN_TABLE = 101, "unknown table";
    /// A called name means nothing.
    UNKNOWN_FUNCTION = 102, "unknown function";
    /// A plugin of `evaluate` that does not exist.
    UNKNOWN_PLUGIN = 103, "unknown plugin";
    /// A type name that does not exist.
    UNKNOWN_TYPE = 104, "unknown type";
    /// An option an operator does not have.
    UNKNOWN_OPTION = 105, "unknown option";
    /// Two columns of a result are given the same name.
    DUPLICATE_COLUMN = 106, "column named twice";
    /// Two `let` statements give the same name.
    DUPLICATE_VARIABLE = 107, "variable declared twice";
    /// A table of a fuzzy union does not exist; the service leaves it out.
    MISSING_FUZZY = 108, "table left out of a fuzzy union";
    /// An aggregate, a plugin or a column stands where it cannot.
    OUT_OF_PLACE = 109, "not possible here";
    /// A pattern matches no column or table.
    NO_MATCH = 110, "pattern without match";
    /// A name out of date is used.
    OUTDATED_NAME = 111, "outdated name";
    /// A parameter that stands for nothing.
    UNKNOWN_PARAMETER = 112, "unknown parameter";
    /// A value has the wrong type.
    WRONG_TYPE = 200, "wrong type";
    /// A call has too few or too many arguments.
    WRONG_COUNT = 201, "wrong number of arguments";
    /// An operator is not defined for its operands.
    NO_OPERATOR = 202, "operator not defined for these types";
    /// A function is not defined for its arguments.
    NO_SIGNATURE = 203, "function not defined for these types";
    /// A table is needed.
    TABLE_EXPECTED = 204, "table expected";
    /// A scalar is needed.
    SCALAR_EXPECTED = 205, "scalar expected";
    /// A column is needed.
    COLUMN_EXPECTED = 206, "column expected";
    /// A constant or a literal is needed.
    CONSTANT_EXPECTED = 207, "constant expected";
    /// `[...]` stands behind something that is not dynamic.
    NO_ELEMENTS = 208, "value without elements";
    /// Join conditions that cannot be.
    JOIN_CONDITION = 209, "join condition";
    /// Arguments have no type in common.
    NO_COMMON_TYPE = 210, "no common type";
    /// A tabular argument lacks columns its parameter asks for.
    MISSING_COLUMNS = 211, "rows lack required columns";
    /// The values of a `datatable` do not fill rows.
    RAGGED_ROWS = 212, "values do not fill rows";
    /// An operator that needs rows has none, or one that makes rows gets some.
    WRONG_PLACE = 213, "operator in the wrong place";
    /// More or fewer names than values.
    NAMES_AND_VALUES = 214, "names do not fit values";
    /// Patterns of `parse` or of graphs that are ambiguous.
    AMBIGUOUS_PATTERN = 215, "ambiguous pattern";
    /// Values of types that the service does not compare.
    NOT_COMPARABLE = 216, "values that cannot be compared";
    /// The query is deeper or longer than this room goes.
    TOO_COMPLEX = 299, "query too complex";
}
