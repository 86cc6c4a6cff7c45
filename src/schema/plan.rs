//! The ordered steps for one database. No I/O.

use std::sync::Arc;

use super::ddl::DdlContent;
use super::migrations::{SchemaMigrations, migrations_table};
use super::order::{Needs, Order, order};
use super::step::{Step, StepAction};
use super::{App, Ddl};
use crate::backend::ServerRules;
use crate::backend::rules::SchemaRules;
use crate::error::{Error, ErrorKind, Result};
use crate::sql::{Definition, Dialect, Key, ObjectName};

/// Name of migrations in messages.
const MIGRATIONS: &str = "the migrations";

/// One parsed definition of an app.
#[derive(Debug)]
struct Unit {
    app: String,
    definitions: Vec<Definition>,
    /// Migrations, if they create the objects.
    migrations: Option<Arc<dyn SchemaMigrations>>,
    depends_on: Vec<String>,
    dropped_by: Option<String>,
}

/// The definitions for one database, in order.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) dialect: Dialect,
    pub(super) rules: &'static dyn ServerRules,
    units: Vec<Unit>,
    order: Order,
}

impl Plan {
    pub(super) fn new<'a>(dialect: Dialect, apps: impl IntoIterator<Item = &'a App>) -> Result<Self> {
        Self::with_rules(dialect, dialect.rules(), apps)
    }

    /// Creates a plan for a server, which may have rules of its own.
    pub(super) fn with_rules<'a>(
        dialect: Dialect,
        rules: &'static dyn ServerRules,
        apps: impl IntoIterator<Item = &'a App>,
    ) -> Result<Self> {
        let mut units = Vec::new();
        for app in apps {
            for ddl in app.definitions() {
                units.extend(Unit::read(dialect, app.name(), ddl)?);
            }
        }
        once(&units)?;
        apart(dialect, &units)?;
        let needs: Vec<Needs> = (0..units.len())
            .map(|unit| needs(dialect, rules.schema(), &units, unit))
            .collect::<Result<_>>()?;
        let order = order(&needs).map_err(|circle| in_circle(rules.schema(), &units, &circle))?;
        Ok(Self {
            dialect,
            rules,
            units,
            order,
        })
    }

    /// Returns the tables to create. Tables of migrations are excluded: their own table records what exists.
    pub(super) fn tables(&self) -> impl Iterator<Item = &ObjectName> {
        let units = self.units.iter().filter(|unit| unit.migrations.is_none());
        units.flat_map(|unit| &unit.definitions).filter_map(Definition::table)
    }

    /// Returns the migrations to run, each with its app.
    pub(super) fn migrations(&self) -> impl Iterator<Item = (&str, &dyn SchemaMigrations)> {
        let units = self.units.iter();
        units.filter_map(|unit| Some((unit.app.as_str(), &**unit.migrations.as_ref()?)))
    }

    /// Returns the steps that create everything.
    pub(super) fn create(&self, safe: bool) -> Vec<Step> {
        let (mut steps, mut last) = (Vec::new(), Vec::new());
        let guarded = if safe { self.rules.schema().if_not_exists } else { &[] };
        let transactions = self.rules.transactions();
        let ends_all = transactions.aborted.is_some() && !transactions.savepoints;
        for &index in &self.order.order {
            let unit = &self.units[index];
            if let Some(migrations) = &unit.migrations {
                steps.push(unit.step(StepAction::Migrate(Arc::clone(migrations)), MIGRATIONS.to_owned()));
                continue;
            }
            for definition in &unit.definitions {
                let late = if self.rules.schema().keys_to_missing_tables {
                    Vec::new()
                } else {
                    self.late(index, definition)
                };
                let keys: Vec<&Key> = late.iter().map(|(key, _)| *key).collect();
                let created = StepAction::Send(definition.create(self.dialect, guarded, &keys));
                let may_be_present = safe && definition.fails_if_present(guarded);
                steps.push(Step {
                    may_be_present,
                    // Where its error would be the end of the transaction, the table is looked for.
                    of: definition.table().filter(|_| may_be_present && ends_all).cloned(),
                    ..unit.step(created, label(definition))
                });
                last.extend(late.iter().filter_map(|(key, target)| {
                    let added = StepAction::Send(definition.add(key)?);
                    Some(Step {
                        of: definition.table().cloned(),
                        ..unit.step(added, format!("the foreign key to {}", target.written))
                    })
                }));
            }
        }
        steps.append(&mut last);
        steps
    }

    /// Returns the steps that drop everything that exists.
    pub(super) fn removal(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        for unit in self.order.order.iter().rev().map(|&index| &self.units[index]) {
            if let Some(text) = &unit.dropped_by {
                steps.push(unit.step(StepAction::Send(text.clone()), unit.label()));
            }
            if let Some(migrations) = unit.migrations.clone() {
                let undone = unit.dropped_by.is_none();
                let act = if undone {
                    StepAction::Undo(migrations)
                } else {
                    StepAction::Forget(migrations)
                };
                steps.push(unit.step(act, MIGRATIONS.to_owned()));
            } else if unit.dropped_by.is_none() {
                let definitions = unit.definitions.iter().rev();
                let dropped = |one| Some(unit.step(StepAction::Send(Definition::removal(one)?), label(one)));
                steps.extend(definitions.filter_map(dropped));
            }
        }
        steps
    }

    /// Returns the tables with foreign keys to tables that are created later, and the targets of these keys.
    pub(super) fn circles(&self) -> Vec<(&ObjectName, &ObjectName)> {
        let definitions = self.units.iter().enumerate();
        let definitions = definitions.flat_map(|(unit, of)| of.definitions.iter().map(move |one| (unit, one)));
        definitions
            .flat_map(|(unit, one)| {
                let targets = one.needs.iter().filter(move |needed| {
                    needed.foreign
                        && find(&self.units, &needed.name).is_some_and(|other| self.order.late.contains(&(unit, other)))
                });
                targets.filter_map(|needed| Some((one.table()?, &needed.name)))
            })
            .collect()
    }

    /// Returns the foreign keys of a definition that have to be added afterwards.
    fn late<'d>(&self, unit: usize, definition: &'d Definition) -> Vec<(&'d Key, &'d ObjectName)> {
        let late = definition.needs.iter().filter(|needed| {
            find(&self.units, &needed.name).is_some_and(|other| self.order.late.contains(&(unit, other)))
        });
        late.filter_map(|needed| Some((needed.key.as_ref()?, &needed.name)))
            .collect()
    }
}

impl Unit {
    fn read(dialect: Dialect, app: &str, ddl: &Ddl) -> Result<Option<Self>> {
        let (definitions, migrations) = match ddl.content(dialect)? {
            None => return Ok(None),
            Some(DdlContent::Text(text)) => (Definition::read(dialect, &text), None),
            Some(DdlContent::Migrations(migrations)) => {
                let all = migrations.all();
                let read = all.iter().flat_map(|one| Definition::read(dialect, &one.sql));
                (read.collect(), Some(migrations))
            }
        };
        if definitions.is_empty() && migrations.is_none() {
            return Err(
                Error::new(ErrorKind::Config, format!("a definition of the app `{app}` is empty"))
                    .help("give it a statement such as `CREATE TABLE …`"),
            );
        }
        Ok(Some(Self {
            app: app.to_owned(),
            definitions,
            migrations,
            depends_on: ddl.needed().to_vec(),
            dropped_by: ddl.drop_text().map(str::to_owned),
        }))
    }

    fn names(&self) -> impl Iterator<Item = &ObjectName> {
        self.definitions
            .iter()
            .filter_map(|definition| Some(&definition.object.as_ref()?.name))
    }

    fn label(&self) -> String {
        match &self.migrations {
            Some(migrations) => format!("the set of migrations recorded in `{}`", migrations.table()),
            None => self.definitions.first().map(label).unwrap_or_default(),
        }
    }

    fn step(&self, act: StepAction, object: String) -> Step {
        Step {
            act,
            app: self.app.clone(),
            object,
            may_be_present: false,
            of: None,
        }
    }
}

/// Returns the name of a definition in messages.
fn label(definition: &Definition) -> String {
    if let Some(object) = &definition.object {
        return format!("`{}`", object.name.written);
    }
    let words: Vec<&str> = definition.text().split_whitespace().take(4).collect();
    format!("the definition `{} …`", words.join(" "))
}

/// Returns the index of the unit that creates the object of that name.
fn find(units: &[Unit], name: &ObjectName) -> Option<usize> {
    let place = |same: fn(&ObjectName, &ObjectName) -> bool| {
        let mut found = units
            .iter()
            .enumerate()
            .filter(|(_, unit)| unit.names().any(|known| same(known, name)));
        let first = found.next();
        // With two in different schemas, the target is ambiguous.
        first.filter(|_| found.next().is_none()).map(|(index, _)| index)
    };
    place(ObjectName::is).or_else(|| place(ObjectName::means))
}

/// Returns an error if a table is defined twice.
fn once(units: &[Unit]) -> Result<()> {
    let mut seen: Vec<(&ObjectName, &str)> = Vec::new();
    for unit in units {
        let before = seen.len();
        for name in unit.definitions.iter().filter_map(Definition::table) {
            // Migrations may drop and recreate a table.
            let others = if unit.migrations.is_some() { before } else { seen.len() };
            if let Some((_, app)) = seen[..others].iter().find(|(known, _)| known.is(name)) {
                return Err(Error::new(
                    ErrorKind::Config,
                    format!(
                        "the table `{}` is defined twice on one connection, in the apps `{app}` and `{}`",
                        name.written, unit.app
                    ),
                )
                .help("define it once, or put one of the apps on another connection"));
            }
            seen.push((name, &unit.app));
        }
    }
    Ok(())
}

/// Returns an error if two migrators could take each other's migrations for their own.
fn apart(dialect: Dialect, units: &[Unit]) -> Result<()> {
    let mut seen: Vec<(ObjectName, &str, bool)> = Vec::new();
    for unit in units {
        let Some(migrations) = &unit.migrations else { continue };
        let (name, shares) = (migrations_table(dialect, &**migrations)?, migrations.shares_table());
        let other = seen
            .iter()
            .find(|(known, _, shared)| known.means(&name) && !(shares && *shared));
        if let Some((_, app, _)) = other {
            return Err(Error::new(
                ErrorKind::Config,
                format!(
                    "the migrations of the apps `{app}` and `{}` are recorded in the same table, `{}`, on one connection",
                    unit.app, name.written
                ),
            )
            .help(
                "give one of the migrators a table of its own (`dangerous_set_table_name`, before it is first used), or put \
                 one of the apps on another connection",
            ));
        }
        seen.push((name, &unit.app, shares));
    }
    Ok(())
}

fn needs(dialect: Dialect, rules: &SchemaRules, units: &[Unit], unit: usize) -> Result<Needs> {
    let mut needs = Needs::default();
    for needed in units[unit].definitions.iter().flat_map(|definition| &definition.needs) {
        let Some(other) = find(units, &needed.name).filter(|other| *other != unit) else {
            // It may exist in the database.
            continue;
        };
        // Migrations are sent unchanged, and may fill the tables that they create.
        let fixed = units[unit].migrations.is_some();
        if !fixed && needed.foreign && (needed.key.is_some() || rules.keys_to_missing_tables) {
            needs.later.insert(other);
        } else {
            needs.before.insert(other);
        }
    }
    for text in &units[unit].depends_on {
        let name = ObjectName::read(dialect, text);
        let Some(other) = name.and_then(|name| find(units, &name)) else {
            return Err(Error::new(
                ErrorKind::Config,
                format!(
                    "{} of the app `{}` depends on `{text}`, which no definition on its connection creates",
                    units[unit].label(),
                    units[unit].app
                ),
            )
            .help("is the name right? leave out objects that the schema does not define"));
        };
        needs.before.insert(other);
    }
    Ok(needs)
}

fn in_circle(rules: &SchemaRules, units: &[Unit], circle: &[usize]) -> Error {
    let mut names: Vec<String> = circle.iter().map(|&index| units[index].label()).collect();
    names.extend(names.first().cloned());
    let help = if rules.keys_to_missing_tables {
        "views and `depends_on` must not form a cycle; foreign keys may"
    } else {
        "declare one of the foreign keys after the columns, as `FOREIGN KEY (…) REFERENCES … (…)`: such a key is \
         added after all tables are created"
    };
    Error::new(
        ErrorKind::Config,
        format!("the definitions depend on each other in a cycle: {}", names.join(" → ")),
    )
    .help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sql(steps: Vec<Step>) -> Vec<String> {
        steps.into_iter().flat_map(|step| step.act.statements()).collect()
    }

    #[test]
    fn r4_definitions_are_ordered_by_their_foreign_keys() {
        let app = App::new("shop")
            .define("create table sale (item int references item (id))")
            .define("create view sold as select * from sale")
            .define("create table item (id int primary key)");
        let plan = Plan::new(Dialect::Postgres, [&app]).unwrap();
        let created = sql(plan.create(true));
        assert!(created[0].starts_with("create table IF NOT EXISTS item"), "{created:?}");
        assert!(created[2].starts_with("create view sold"), "{created:?}");
        let expected = [
            "DROP VIEW IF EXISTS sold",
            "DROP TABLE IF EXISTS sale",
            "DROP TABLE IF EXISTS item",
        ];
        assert_eq!(sql(plan.removal()), expected);
    }

    #[test]
    fn r4_a_circle_is_cut_or_named() {
        let cut = App::new("shop")
            .define("create table a (id int primary key, b int, foreign key (b) references b (id))")
            .define("create table b (id int primary key, a int references a (id))");
        let plan = Plan::new(Dialect::MySql, [&cut]).unwrap();
        assert_eq!(
            sql(plan.create(false))[2],
            "ALTER TABLE a ADD foreign key (b) references b (id)"
        );
        assert_eq!(plan.circles().len(), 1);
        let tight = App::new("shop")
            .define("create table a (id int primary key, b int references b (id))")
            .define("create table b (id int primary key, a int references a (id))");
        let error = Plan::new(Dialect::Postgres, [&tight]).unwrap_err();
        assert!(error.message().contains("`a` → `b` → `a`"), "{error}");
        assert_eq!(
            sql(Plan::new(Dialect::Sqlite, [&tight]).unwrap().create(false)).len(),
            2
        );
    }

    #[test]
    fn r4_mistakes_are_named() {
        let message = |app: &App| Plan::new(Dialect::Postgres, [app]).unwrap_err().to_string();
        let twice = App::new("shop")
            .define("create table a (id int)")
            .define("create table A (id int)");
        assert!(message(&twice).contains("the table `A` is defined twice"));
        let unknown = App::new("shop").define(Ddl::new("create table a (id int)").depends_on(["c"]));
        assert!(message(&unknown).contains("`a` of the app `shop` depends on `c`"));
        assert!(message(&App::new("shop").define("-- nothing")).contains("a definition of the app `shop` is empty"));
    }
}
