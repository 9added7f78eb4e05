//! Errors as Connect knows them: a class of exception, its message, and what caused it.
//!
//! Dead letter headers, the REST API and logs show Java's class names and messages, and people's
//! scripts match them; so the class is a value here, not a type.

/// A class of exception that Connect's own code throws.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    Connect,
    Data,
    SchemaBuilder,
    SchemaProjector,
    Retriable,
    NotFound,
    AlreadyExists,
    IllegalWorkerState,
    Config,
    Serialization,
    InvalidRecord,
    NullPointer,
    IllegalArgument,
    IllegalState,
    ClassCast,
    NumberFormat,
    Arithmetic,
    IndexOutOfBounds,
    ArrayIndexOutOfBounds,
    StringIndexOutOfBounds,
    NoSuchElement,
    UnsupportedOperation,
    StackOverflow,
    DateTime,
    Parse,
    PatternSyntax,
}

impl ErrorClass {
    /// Java's full name.
    pub fn java_name(self) -> &'static str {
        match self {
            Self::Connect => "org.apache.kafka.connect.errors.ConnectException",
            Self::Data => "org.apache.kafka.connect.errors.DataException",
            Self::SchemaBuilder => "org.apache.kafka.connect.errors.SchemaBuilderException",
            Self::SchemaProjector => "org.apache.kafka.connect.errors.SchemaProjectorException",
            Self::Retriable => "org.apache.kafka.connect.errors.RetriableException",
            Self::NotFound => "org.apache.kafka.connect.errors.NotFoundException",
            Self::AlreadyExists => "org.apache.kafka.connect.errors.AlreadyExistsException",
            Self::IllegalWorkerState => {
                "org.apache.kafka.connect.errors.IllegalWorkerStateException"
            }
            Self::Config => "org.apache.kafka.common.config.ConfigException",
            Self::Serialization => "org.apache.kafka.common.errors.SerializationException",
            Self::InvalidRecord => "org.apache.kafka.common.InvalidRecordException",
            Self::NullPointer => "java.lang.NullPointerException",
            Self::IllegalArgument => "java.lang.IllegalArgumentException",
            Self::IllegalState => "java.lang.IllegalStateException",
            Self::ClassCast => "java.lang.ClassCastException",
            Self::NumberFormat => "java.lang.NumberFormatException",
            Self::Arithmetic => "java.lang.ArithmeticException",
            Self::IndexOutOfBounds => "java.lang.IndexOutOfBoundsException",
            Self::ArrayIndexOutOfBounds => "java.lang.ArrayIndexOutOfBoundsException",
            Self::StringIndexOutOfBounds => "java.lang.StringIndexOutOfBoundsException",
            Self::NoSuchElement => "java.util.NoSuchElementException",
            Self::UnsupportedOperation => "java.lang.UnsupportedOperationException",
            Self::StackOverflow => "java.lang.StackOverflowError",
            Self::DateTime => "java.time.DateTimeException",
            Self::Parse => "java.text.ParseException",
            Self::PatternSyntax => "java.util.regex.PatternSyntaxException",
        }
    }
}

/// What Java would have thrown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConnectError {
    class: ErrorClass,
    message: Box<str>,
    #[source]
    cause: Option<Box<Self>>,
}

impl ConnectError {
    pub fn new(class: ErrorClass, message: impl Into<Box<str>>) -> Self {
        Self {
            class,
            message: message.into(),
            cause: None,
        }
    }

    /// A `DataException`, by far the most frequent.
    pub fn data(message: impl Into<Box<str>>) -> Self {
        Self::new(ErrorClass::Data, message)
    }

    /// A `ConnectException`.
    pub fn connect(message: impl Into<Box<str>>) -> Self {
        Self::new(ErrorClass::Connect, message)
    }

    /// A `ConfigException`.
    pub fn config(message: impl Into<Box<str>>) -> Self {
        Self::new(ErrorClass::Config, message)
    }

    /// A `SchemaBuilderException`.
    pub fn schema_builder(message: impl Into<Box<str>>) -> Self {
        Self::new(ErrorClass::SchemaBuilder, message)
    }

    #[must_use]
    pub fn caused_by(mut self, cause: Self) -> Self {
        self.cause = Some(Box::new(cause));
        self
    }

    pub fn class(&self) -> ErrorClass {
        self.class
    }

    pub fn message(&self) -> &str {
        &self.message
    }

    pub fn cause(&self) -> Option<&Self> {
        self.cause.as_deref()
    }

    /// Whether trying again may help.
    pub fn is_retriable(&self) -> bool {
        self.class == ErrorClass::Retriable
    }
}
