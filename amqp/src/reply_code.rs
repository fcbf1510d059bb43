use crate::ErrorScope;

macro_rules! reply_codes {
    ($( $(#[$doc:meta])* $variant:ident = $code:literal $name:literal $scope:ident; )+) => {
        /// The reply codes of AMQP 0-9-1 (section 1.2) that end a channel or a connection.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ReplyCode {
            $( $(#[$doc])* $variant, )+
        }

        impl ReplyCode {
            /// The number on the wire.
            #[must_use]
            pub fn code(self) -> u16 {
                match self { $( Self::$variant => $code, )+ }
            }

            /// The name that starts a reply text: `NOT_FOUND`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $( Self::$variant => $name, )+ }
            }

            /// What an error with this code closes.
            #[must_use]
            pub fn scope(self) -> ErrorScope {
                match self { $( Self::$variant => ErrorScope::$scope, )+ }
            }

            /// The reply code with this number.
            #[must_use]
            pub fn from_code(code: u16) -> Option<Self> {
                match code { $( $code => Some(Self::$variant), )+ _ => None }
            }
        }
    };
}

reply_codes! {
    /// 311: the content is larger than the server takes.
    ContentTooLarge = 311 "CONTENT_TOO_LARGE" Channel;
    /// 312: a mandatory message reached no queue.
    NoRoute = 312 "NO_ROUTE" Channel;
    /// 313: an immediate message reached no consumer.
    NoConsumers = 313 "NO_CONSUMERS" Channel;
    /// 320: an operator or a shutdown closed the connection.
    ConnectionForced = 320 "CONNECTION_FORCED" Connection;
    /// 402: the virtual host is unknown.
    InvalidPath = 402 "INVALID_PATH" Connection;
    /// 403: not allowed for this user, or at all.
    AccessRefused = 403 "ACCESS_REFUSED" Channel;
    /// 404: no such exchange, queue or binding.
    NotFound = 404 "NOT_FOUND" Channel;
    /// 405: the queue is exclusive to another connection.
    ResourceLocked = 405 "RESOURCE_LOCKED" Channel;
    /// 406: what was asked does not fit what is there.
    PreconditionFailed = 406 "PRECONDITION_FAILED" Channel;
    /// 501: a frame can't be decoded.
    FrameError = 501 "FRAME_ERROR" Connection;
    /// 502: a field of a method is wrong.
    SyntaxError = 502 "SYNTAX_ERROR" Connection;
    /// 503: a method in an order that is not allowed.
    CommandInvalid = 503 "COMMAND_INVALID" Connection;
    /// 504: a method for a channel that is not open, or open already.
    ChannelError = 504 "CHANNEL_ERROR" Connection;
    /// 505: a frame that was not expected.
    UnexpectedFrame = 505 "UNEXPECTED_FRAME" Connection;
    /// 506: the server is out of a resource.
    ResourceError = 506 "RESOURCE_ERROR" Connection;
    /// 530: not allowed by the server's settings.
    NotAllowed = 530 "NOT_ALLOWED" Connection;
    /// 540: not built.
    NotImplemented = 540 "NOT_IMPLEMENTED" Connection;
    /// 541: the server failed.
    InternalError = 541 "INTERNAL_ERROR" Connection;
}

/// The number alone: `404`.
impl std::fmt::Display for ReplyCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.code().fmt(f)
    }
}
