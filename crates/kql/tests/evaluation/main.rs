//! What queries give: tables of cases by topic, and properties that hold for all queries.

mod cases;
mod outside;
mod properties;
