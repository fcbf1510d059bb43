use springhare_amqp::ShortString;

use crate::error::StartFault;
use crate::settings::BrokerSettings;
use crate::template::{REPLY_TIMEOUT, TemplateDefaults};

/// What the template of a broker does where a call says nothing else; `table` is what its settings
/// stand in.
pub(super) fn template_defaults(
    table: &str,
    settings: &BrokerSettings,
    faults: &mut Vec<StartFault>,
) -> TemplateDefaults {
    let template = &settings.template;
    let mut name = |key: &str, text: &Option<String>| {
        ShortString::new(text.as_deref().unwrap_or_default()).unwrap_or_else(|error| {
            faults.push(StartFault::new(format!("`{table}.template.{key}`: {error}")));
            ShortString::EMPTY
        })
    };
    TemplateDefaults {
        exchange: name("exchange", &template.exchange),
        routing_key: name("routing-key", &template.routing_key),
        publish_retry: template.retry_timeout,
        reply_timeout: template.reply_timeout.map_or(REPLY_TIMEOUT, |timeout| timeout.0),
        receive_timeout: template.receive_timeout.unwrap_or_default(),
        mandatory: template.mandatory.or(settings.rabbitmq.publisher_returns).unwrap_or(false),
    }
}
