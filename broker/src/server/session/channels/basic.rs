use springhare_amqp::wire::method::basic::{
    self, Cancel, CancelOk, Consume, ConsumeOk, Get, GetEmpty, GetOk, Qos, QosOk, RecoverOk,
};
use springhare_amqp::{AmqpError, MethodId, ReplyCode};

use super::Call;
use super::queue::queue_name;
use crate::engine::consume::ConsumeRequest;
use crate::engine::publish::ReturnedMessage;
use crate::engine::queue_cell::ConsumerAccess;
use crate::model::channel::Tags;
use crate::model::queue::{Returned, SettlementMode};
use crate::model::settling::Multiple;
use crate::protocol::{Connection, Output, unimplemented};

/// Writes a message that reached no queue.
pub(in crate::server::session) fn write_returned(
    number: u16,
    returned: &ReturnedMessage,
    protocol: &mut Connection,
) {
    let frame_max = protocol.negotiated().frame_max;
    write_return(number, returned, protocol.output(), frame_max);
}

pub(super) fn write_return(
    number: u16,
    returned: &ReturnedMessage,
    output: &mut Output,
    frame_max: usize,
) {
    let ReturnedMessage { reply_code, reply_text, exchange, routing_key, message } = returned;
    let method = basic::Return {
        reply_code: reply_code.code(),
        reply_text: reply_text.clone(),
        exchange: exchange.clone(),
        routing_key: routing_key.clone(),
    };
    output.content(number, &method, &message.properties, &message.body, frame_max);
}

impl Call<'_> {
    pub(super) fn basic(&mut self, method: basic::Method) -> Result<(), AmqpError> {
        match method {
            basic::Method::Nack(nack) => {
                let tags = Tags::new(nack.delivery_tag, Multiple::from_bit(nack.multiple));
                self.channel.run(MethodId::BASIC_NACK, |channel| {
                    if nack.requeue {
                        channel.requeue(tags, MethodId::BASIC_NACK, Returned::HandedBack)
                    } else {
                        channel.discard(tags, MethodId::BASIC_NACK)
                    }
                })
            }
            basic::Method::Reject(reject) => {
                let tags = Tags::One(reject.delivery_tag);
                self.channel.run(MethodId::BASIC_REJECT, |channel| {
                    if reject.requeue {
                        channel.requeue(tags, MethodId::BASIC_REJECT, Returned::Failed)
                    } else {
                        channel.discard(tags, MethodId::BASIC_REJECT)
                    }
                })
            }
            basic::Method::Qos(qos) => self.qos(&qos),
            basic::Method::Consume(consume) => self.consume(consume),
            basic::Method::Cancel(cancel) => self.cancel(cancel),
            basic::Method::Get(get) => self.get(&get),
            basic::Method::Recover(recover) => {
                self.recover(recover.requeue, MethodId::BASIC_RECOVER)?;
                self.output.method(self.number, &RecoverOk {});
                Ok(())
            }
            basic::Method::RecoverAsync(recover) => {
                self.recover(recover.requeue, MethodId::BASIC_RECOVER_ASYNC)
            }
            other => Err(unimplemented(other.id())),
        }
    }

    fn qos(&mut self, qos: &Qos) -> Result<(), AmqpError> {
        if qos.prefetch_size != 0 {
            return Err(AmqpError::new(
                ReplyCode::NotImplemented,
                MethodId::BASIC_QOS,
                format_args!("prefetch_size!=0 ({})", qos.prefetch_size),
            ));
        }
        if qos.global {
            self.channel.set_shared_prefetch(qos.prefetch_count);
            self.channel.resume_all();
        } else {
            self.channel.lock().channel.set_prefetch(qos.prefetch_count);
        }
        self.output.method(self.number, &QosOk {});
        Ok(())
    }

    fn consume(&mut self, consume: Consume) -> Result<(), AmqpError> {
        const METHOD: MethodId = MethodId::BASIC_CONSUME;
        let Consume { queue, consumer_tag, no_ack, exclusive, no_wait, arguments, .. } = consume;
        let connection = self.connection;
        let started = self.channel.run(METHOD, |channel| {
            channel.lock().channel.ensure_free_tag(&consumer_tag)?;
            let name = queue_name(channel, &queue, METHOD)?;
            connection.authorize_consume(&name)?;
            let request = ConsumeRequest {
                tag: consumer_tag,
                settlement: SettlementMode::from_no_ack(no_ack),
                access: if exclusive { ConsumerAccess::Exclusive } else { ConsumerAccess::Shared },
                arguments,
            };
            self.channel.consume_from(connection.id(), &name, request)
        })?;
        if !no_wait {
            self.output.method(self.number, &ConsumeOk { consumer_tag: started.tag.clone() });
        }
        self.consumers.add(self.number, self.channel, started);
        Ok(())
    }

    fn cancel(&mut self, cancel: Cancel) -> Result<(), AmqpError> {
        let Cancel { consumer_tag, no_wait } = cancel;
        self.channel.cancel(&consumer_tag);
        self.consumers.remove(self.number, &consumer_tag);
        if !no_wait {
            self.output.method(self.number, &CancelOk { consumer_tag });
        }
        Ok(())
    }

    fn get(&mut self, get: &Get) -> Result<(), AmqpError> {
        const METHOD: MethodId = MethodId::BASIC_GET;
        let connection = self.connection;
        let got = self.channel.run(METHOD, |channel| {
            let name = queue_name(channel, &get.queue, METHOD)?;
            connection.authorize_get(&name)?;
            let queue = channel.virtual_host().find_queue(connection.id(), &name, METHOD)?;
            channel.get(&queue, SettlementMode::from_no_ack(get.no_ack))
        })?;
        let Some(got) = got else {
            self.output.method(self.number, &GetEmpty {});
            return Ok(());
        };
        let published = &got.delivery.message;
        let method = GetOk {
            delivery_tag: got.delivery.delivery_tag,
            redelivered: got.delivery.redelivered,
            exchange: published.exchange.clone(),
            routing_key: published.routing_key.clone(),
            message_count: u32::try_from(got.message_count).unwrap_or(u32::MAX),
        };
        let (properties, body) = (&published.message.properties, &published.message.body);
        self.output.content(self.number, &method, properties, body, self.frame_max);
        Ok(())
    }

    fn recover(&mut self, requeue: bool, method: MethodId) -> Result<(), AmqpError> {
        if !requeue {
            return Err(AmqpError::new(ReplyCode::NotImplemented, method, "requeue=false"));
        }
        self.channel.recover();
        Ok(())
    }
}
