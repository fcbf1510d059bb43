//! Definitions of a node, through what `rabbitmqctl export_definitions` and `import_definitions` call.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::evaluation::string_literal;
use crate::node::Node;

impl Node {
    /// All definitions, in JSON.
    ///
    /// # Errors
    ///
    /// As for [`evaluate`](Self::evaluate), and when the file between can't be read.
    pub fn export_definitions(&self) -> io::Result<String> {
        self.evaluate_text("rabbit_json:encode(rabbit_definitions:all_definitions())")
    }

    /// Imports definitions.
    ///
    /// # Errors
    ///
    /// As for [`evaluate`](Self::evaluate), and with what the node says when it does not take them.
    pub fn import_definitions(&self, json: &str) -> io::Result<()> {
        let file = self.own_file("imported");
        fs::write(&file, json)?;
        let file = string_literal(&file.display().to_string());
        let said = self.evaluate_text(&format!(
            "{{ok, Definitions}} = file:read_file({file}), \
             io_lib:format(\"~p\", [rabbit_definitions:import_raw(Definitions)])"
        ))?;
        if said == "ok" { Ok(()) } else { Err(io::Error::other(said)) }
    }

    /// The text that an expression evaluates to, whole: `erl_call` cuts long ones.
    ///
    /// # Errors
    ///
    /// As for [`evaluate`](Self::evaluate), and when the file between can't be read.
    pub fn evaluate_text(&self, expression: &str) -> io::Result<String> {
        let file = self.own_file("evaluated");
        let name = string_literal(&file.display().to_string());
        self.evaluate(&format!(
            "ok = file:write_file({name}, unicode:characters_to_binary(begin {expression} end))"
        ))?;
        fs::read_to_string(file)
    }

    /// A file of the node that nobody else writes.
    fn own_file(&self, name: &str) -> PathBuf {
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        self.directory().join(format!("{name}-{}-{number}", std::process::id()))
    }
}
