//! The clients: where each script is, and what it must check.

/// What every client checks, unless its library can't do it.
pub(super) const CHECKS: [&str; 18] = [
    "declare",
    "server-named queue",
    "exchange and binding",
    "confirmed publish",
    "mandatory return",
    "consume with prefetch",
    "nack and requeue",
    "get",
    "missing queue",
    "inequivalent declare",
    "wrong password",
    "body sizes",
    "large body",
    "headers",
    "cancel notify",
    "heartbeats",
    "a thousand channels",
    "clean close",
];

/// A client and the script that drives it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Client {
    pub(super) name: &'static str,
    pub(super) script: Script,
    pub(super) checks: Checks,
}

/// In which language, and where below `tests/clients/`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Script {
    /// A file in `python/`.
    Python(&'static str),
    /// A file in `node/`.
    Node(&'static str),
    /// `go/`, one program.
    Go,
    /// `java/`, one program.
    Java,
    /// A file that this program runs.
    Run { program: &'static str, file: &'static str },
}

/// Which checks a script must report.
#[derive(Clone, Copy, Debug)]
pub(super) enum Checks {
    /// All of [`CHECKS`] but those that the client can't do.
    AllBut(&'static [&'static str]),
    /// Others.
    Own(&'static [&'static str]),
}

impl Client {
    /// The checks that must be reported.
    pub(super) fn expected(&self) -> Vec<&'static str> {
        match self.checks {
            Checks::AllBut(left_out) => {
                CHECKS.into_iter().filter(|check| !left_out.contains(check)).collect()
            }
            Checks::Own(checks) => checks.to_vec(),
        }
    }
}

const fn client(name: &'static str, script: Script) -> Client {
    Client { name, script, checks: Checks::AllBut(&[]) }
}

/// All clients, in the order in which they run.
pub(super) const CLIENTS: [Client; 12] = [
    client("pika", Script::Python("pika_blocking.py")),
    client("pika-asyncio", Script::Python("pika_asyncio.py")),
    client("aio-pika", Script::Python("aio_pika_client.py")),
    client("py-amqp", Script::Python("py_amqp.py")),
    Client {
        name: "celery",
        script: Script::Python("celery_client.py"),
        checks: Checks::Own(&[
            "kombu producer and consumer",
            "celery worker",
            "celery task",
            "celery group",
            "celery failure",
            "celery retry",
            "celery requeue",
            "celery inspect",
            "celery shutdown",
            "clean close",
        ]),
    },
    client("amqplib", Script::Node("amqplib.mjs")),
    client("amqp-client", Script::Node("amqp_client.mjs")),
    Client {
        name: "amqp-tools",
        script: Script::Run { program: "bash", file: "amqp_tools/amqp_tools.sh" },
        // The tools have no options for these.
        checks: Checks::AllBut(&[
            "confirmed publish",
            "mandatory return",
            "headers",
            "cancel notify",
            "a thousand channels",
        ]),
    },
    client("amqp091", Script::Go),
    client("php-amqplib", Script::Run { program: "php", file: "php/php_amqplib.php" }),
    client("bunny", Script::Run { program: "ruby", file: "ruby/bunny_client.rb" }),
    client("java", Script::Java),
];
