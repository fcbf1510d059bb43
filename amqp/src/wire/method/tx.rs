//! Class 90 `tx`: transactions of a channel (AMQP 0-9-1 section 1.9).

methods! {
    class Tx = 90;

    /// Makes the channel transactional.
    TX_SELECT "tx.select" Select = 10 {};

    /// The channel is transactional.
    TX_SELECT_OK "tx.select-ok" SelectOk = 11 {};

    /// Does what was published and acknowledged since the last commit or rollback.
    TX_COMMIT "tx.commit" Commit = 20 {};

    /// It is done.
    TX_COMMIT_OK "tx.commit-ok" CommitOk = 21 {};

    /// Forgets what was published and acknowledged since the last commit or rollback.
    TX_ROLLBACK "tx.rollback" Rollback = 30 {};

    /// It is forgotten.
    TX_ROLLBACK_OK "tx.rollback-ok" RollbackOk = 31 {};
}
