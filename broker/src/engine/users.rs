use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use springhare_amqp::{AmqpError, MethodId, ReplyCode, ShortString};

use super::user_cell::UserCell;
use crate::model::access::{AuthenticatedUser, PasswordHash, SALT_BYTES, User};

/// The users of a broker, and how one proves to be one of them.
#[derive(Debug)]
pub(crate) struct Users {
    /// Locked for a look, or while one is changed.
    by_name: Mutex<BTreeMap<String, StoredUser>>,
    /// Who may log in from this machine only.
    loopback_only: BTreeSet<String>,
}

#[derive(Debug, Clone)]
struct StoredUser {
    password: PasswordHash,
    cell: Arc<UserCell>,
}

/// There is no user of this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoSuchUser;

/// A user and the hash of its password, ready to be stored.
#[derive(Debug)]
pub(crate) struct NewUser {
    password: PasswordHash,
    user: AuthenticatedUser,
}

impl NewUser {
    /// # Errors
    ///
    /// There is no randomness for a salt.
    pub(crate) fn new(user: User) -> Result<Self, NoRandomness> {
        let (password, user) = user.into_parts(salt()?);
        Ok(Self { password, user })
    }
}

/// What a name that nobody has is compared with, so that it takes the time that a user's takes.
static NOBODYS_PASSWORD: PasswordHash = PasswordHash::of_no_password();

/// The operating system gave no random bytes for a salt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoRandomness;

/// Why somebody was not let in: for the operator's log, never for the peer, who could learn
/// from it which users there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoginRefused {
    user: ShortString,
    peer: Option<IpAddr>,
    reason: LoginFault,
}

/// What was wrong with a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LoginFault {
    UnknownUser,
    EmptyPassword,
    WrongPassword,
    /// All was right, but the user may come from this machine only.
    NotLoopback,
}

impl Users {
    /// Stores users, of whom those named in `loopback_only` may log in from this machine only.
    ///
    /// # Errors
    ///
    /// There is no randomness for the salts.
    pub(crate) fn new(
        users: impl IntoIterator<Item = User>,
        loopback_only: BTreeSet<String>,
    ) -> Result<Self, NoRandomness> {
        let own = Self { by_name: Mutex::default(), loopback_only };
        for user in users {
            own.set(NewUser::new(user)?);
        }
        Ok(own)
    }

    /// Adds a user. One of the same name gets its password and tags, and the limits and permissions
    /// that it says something of.
    pub(crate) fn set(&self, NewUser { password, user }: NewUser) {
        let mut by_name = self.lock();
        match by_name.get_mut(user.name()) {
            Some(stored) => {
                stored.cell.replace(user.replacing(&stored.cell.current()));
                stored.password = password;
            }
            None => {
                let name = user.name().to_owned();
                by_name.insert(name, StoredUser { password, cell: Arc::new(UserCell::new(user)) });
            }
        }
    }

    /// Takes a user out, who may do nothing from now on.
    ///
    /// # Errors
    ///
    /// There is no such user.
    pub(crate) fn delete(&self, name: &str) -> Result<Arc<UserCell>, NoSuchUser> {
        let cell = self.lock().remove(name).ok_or(NoSuchUser)?.cell;
        cell.replace(cell.current().without_permissions());
        Ok(cell)
    }

    /// Changes what a user may do.
    ///
    /// # Errors
    ///
    /// There is no such user.
    pub(crate) fn change(
        &self,
        name: &str,
        change: impl FnOnce(&mut AuthenticatedUser),
    ) -> Result<(), NoSuchUser> {
        let by_name = self.lock();
        let cell = &by_name.get(name).ok_or(NoSuchUser)?.cell;
        let mut user = AuthenticatedUser::clone(&cell.current());
        change(&mut user);
        cell.replace(user);
        Ok(())
    }

    /// Clears all permissions in a virtual host.
    pub(crate) fn forget_virtual_host(&self, virtual_host: &str) {
        for stored in self.lock().values() {
            let mut user = AuthenticatedUser::clone(&stored.cell.current());
            user.set_permissions(virtual_host, None);
            user.clear_topics(virtual_host, None);
            stored.cell.replace(user);
        }
    }

    /// All users with the hashes of their passwords, by name.
    pub(crate) fn all(&self) -> Vec<(PasswordHash, Arc<AuthenticatedUser>)> {
        let by_name = self.lock();
        let all = by_name
            .values()
            .map(|stored| (stored.password.clone(), Arc::clone(&stored.cell.current())));
        all.collect()
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.lock().contains_key(name)
    }

    /// Who a peer is, if the password is right.
    ///
    /// `peer` is the address that the peer has, not that of the listener; none stands for this
    /// process. A name that nobody has takes as long as one with a wrong password.
    ///
    /// # Errors
    ///
    /// Nobody has the name, the password is empty or another, or the user may come from this
    /// machine only.
    pub(crate) fn authenticate(
        &self,
        user: &str,
        password: &[u8],
        peer: Option<IpAddr>,
    ) -> Result<Arc<UserCell>, LoginRefused> {
        let stored = self.lock().get(user).cloned();
        let expected = stored.as_ref().map_or(&NOBODYS_PASSWORD, |stored| &stored.password);
        let is_right = expected.matches(password);
        let refused = |reason| LoginRefused { user: ShortString::truncated(user), peer, reason };
        let Some(stored) = stored else { return Err(refused(LoginFault::UnknownUser)) };
        if !is_right {
            let is_empty = password.is_empty();
            let reason =
                if is_empty { LoginFault::EmptyPassword } else { LoginFault::WrongPassword };
            return Err(refused(reason));
        }
        if self.loopback_only.contains(user) && !peer.is_none_or(is_loopback) {
            return Err(refused(LoginFault::NotLoopback));
        }
        Ok(stored.cell)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, StoredUser>> {
        self.by_name.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LoginRefused {
    /// The name that was given, cut if it is longer than a name can be.
    pub(crate) fn user(&self) -> &str {
        &self.user
    }

    /// What the peer is told, which is the same whatever was wrong: 403, without a method.
    pub(crate) fn reply(&self, mechanism: &str) -> AmqpError {
        AmqpError::new(
            ReplyCode::AccessRefused,
            MethodId::NONE,
            format_args!(
                "Login was refused using authentication mechanism {mechanism}. For details see \
                 the broker logfile."
            ),
        )
    }
}

/// The name comes from the peer: what could deceive whoever reads the log is escaped.
impl fmt::Display for LoginRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "user '{}' may not log in", self.user.escape_debug())?;
        if let Some(peer) = self.peer {
            write!(f, " from {peer}")?;
        }
        f.write_str(match self.reason {
            LoginFault::UnknownUser => ": there is no such user",
            LoginFault::EmptyPassword => ": the password is empty",
            LoginFault::WrongPassword => ": the password is wrong",
            LoginFault::NotLoopback => ": this user may connect from this machine only",
        })
    }
}

impl std::error::Error for LoginRefused {}

/// Whether the address is this machine's own: 127.0.0.0/8, ::1, and the former in the form of
/// IPv6 (`::ffff:127.0.0.1`), as which it comes to a listener of both.
fn is_loopback(peer: IpAddr) -> bool {
    peer.to_canonical().is_loopback()
}

fn salt() -> Result<[u8; SALT_BYTES], NoRandomness> {
    let mut salt = [0; SALT_BYTES];
    getrandom::fill(&mut salt).map_err(|_| NoRandomness)?;
    Ok(salt)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users() -> Users {
        let users = [User::new("guest", "guest"), User::new("alice", "secret"), User::new("e", "")];
        Users::new(users, BTreeSet::from(["guest".to_owned()])).unwrap()
    }

    fn login(user: &str, password: &str, peer: Option<&str>) -> Result<String, LoginFault> {
        let peer = peer.map(|peer| peer.parse().unwrap());
        match users().authenticate(user, password.as_bytes(), peer) {
            Ok(user) => Ok(user.current().name().to_owned()),
            Err(refused) => Err(refused.reason),
        }
    }

    #[test]
    fn the_right_password_lets_in() {
        assert_eq!(login("alice", "secret", Some("192.0.2.1")), Ok("alice".to_owned()));
        assert_eq!(login("alice", "wrong", None), Err(LoginFault::WrongPassword));
        assert_eq!(login("Alice", "secret", None), Err(LoginFault::UnknownUser));
        assert_eq!(login("", "", None), Err(LoginFault::UnknownUser));
    }

    #[test]
    fn an_empty_password_never_lets_in() {
        for user in ["e", "alice", "guest"] {
            assert_eq!(login(user, "", None), Err(LoginFault::EmptyPassword));
        }
    }

    #[test]
    fn a_loopback_user_comes_from_this_machine() {
        let own = ["127.0.0.1", "127.255.0.9", "::1", "::ffff:127.0.0.1", "::ffff:7f01:2"];
        for peer in own.into_iter().map(Some).chain([None]) {
            assert_eq!(login("guest", "guest", peer), Ok("guest".to_owned()), "{peer:?}");
        }
        let others =
            ["192.0.2.1", "0.0.0.0", "128.0.0.1", "::", "::2", "::ffff:192.0.2.1", "::127.0.0.1"];
        for peer in others {
            let refused = login("guest", "guest", Some(peer));
            assert_eq!(refused, Err(LoginFault::NotLoopback), "{peer}");
            // Only who knows the password learns, from the log, that the place is wrong.
            assert_eq!(login("guest", "wrong", Some(peer)), Err(LoginFault::WrongPassword));
        }
    }

    #[test]
    fn the_peer_is_told_the_same_whatever_is_wrong() {
        let peer = "192.0.2.1".parse().ok();
        let told: BTreeSet<String> =
            [("nobody", "x"), ("alice", "x"), ("alice", ""), ("guest", "guest")]
                .into_iter()
                .map(|(user, password)| {
                    let refused = users().authenticate(user, password.as_bytes(), peer);
                    refused.unwrap_err().reply("PLAIN").to_string()
                })
                .collect();
        let text = "403 ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. \
                    For details see the broker logfile.";
        assert_eq!(told, BTreeSet::from([text.to_owned()]));
    }

    #[test]
    fn the_log_is_told_who_from_where_and_why() {
        let peer = "192.0.2.1".parse().ok();
        let told = |user: &str, password: &[u8], peer| {
            users().authenticate(user, password, peer).unwrap_err().to_string()
        };
        assert_eq!(
            told("guest", b"guest", peer),
            "user 'guest' may not log in from 192.0.2.1: this user may connect from this machine \
             only"
        );
        assert_eq!(
            told("x\n2026 'alice' logged in", b"", None),
            "user 'x\\n2026 \\'alice\\' logged in' may not log in: there is no such user"
        );
        let long = told(&"x".repeat(100_000), b"hidden", peer);
        assert!(long.len() < 400 && !long.contains("hidden"), "{long}");
    }

    #[test]
    fn salts_differ() {
        let salts: BTreeSet<_> = (0..20).map(|_| salt().unwrap()).collect();
        assert!(salts.len() > 10);
    }
}
