# bunny. Started with the broker's URL as the only argument, it prints `ok <check>` for each
# check that holds, and ends with an error at the first that does not.

require 'bunny'
require 'uri'

require_relative 'checks'

# bunny can write decimals too, but not the same ones that it reads, and it loses a void in a list.
HEADERS = {
  'text' => 'grüße',
  'true' => true,
  'false' => false,
  'integer' => -(1 << 40),
  'float' => 1.1,
  'float32' => AMQ::Protocol::Float32Bit.new(1.5),
  'time' => Time.at(1_700_000_000),
  'table' => { 'inner' => { 'deep' => 'yes' }, 'list' => [1, 'two'] },
  'list' => [1, 'two', { 'three' => true }, [4]],
  'void' => nil
}.freeze
PROPERTIES = {
  content_type: 'text/plain',
  content_encoding: 'identity',
  delivery_mode: 2,
  priority: 3,
  correlation_id: 'correlation',
  reply_to: 'answers',
  expiration: '60000',
  message_id: 'message',
  timestamp: 1_700_000_000,
  type: 'kind',
  user_id: 'guest',
  app_id: 'checks'
}.freeze

abort 'usage: ruby bunny_client.rb amqp://user:password@host:port/%2f' if ARGV.length != 1

def connect(**changes)
  place = URI(ARGV.first)
  options = {
    host: place.host, port: place.port, user: place.user, pass: place.password, vhost: '/',
    frame_max: FRAME_MAX, automatically_recover: false, continuation_timeout: LIMIT * 1000,
    connection_timeout: LIMIT, logger: Logger.new(IO::NULL)
  }
  Bunny.new(options.merge(changes)).start
end

def own_queue(channel)
  channel.queue_declare('', exclusive: true).queue
end

def ready(channel, queue)
  channel.queue_declare(queue, passive: true).message_count
end

def send_to(channel, queue, payload, **properties)
  channel.basic_publish(payload, '', queue, properties)
end

# The next message of the queue: what was delivered, its properties, its body.
def get(channel, queue, limit = LIMIT)
  eventually('there is a message', limit) do
    answer = channel.basic_get(queue, manual_ack: false)
    answer if answer.first
  end
end

def declares(connection)
  channel = connection.create_channel
  check('declare') do
    name = unique('bunny')
    2.times do
      declared = channel.queue_declare(name, exclusive: true)
      equal([declared.queue, declared.message_count, declared.consumer_count], [name, 0, 0])
    end
  end
  named = own_queue(channel)
  check('server-named queue') { equal(named[0, 8], 'amq.gen-') }
  check('exchange and binding') do
    exchange = unique('bunny')
    channel.exchange_declare(exchange, 'topic', auto_delete: true)
    channel.queue_bind(named, exchange, routing_key: 'stock.*')
    channel.basic_publish('no', exchange, 'weather.tea')
    channel.basic_publish('yes', exchange, 'stock.tea')
    delivery, _, payload = get(channel, named)
    equal([delivery.exchange, delivery.routing_key, payload], [exchange, 'stock.tea', 'yes'])
    channel.queue_unbind(named, exchange, routing_key: 'stock.*')
  end
  channel.close
end

def publishes(connection)
  channel = connection.create_channel
  channel.confirm_select
  queue = own_queue(channel)
  check('confirmed publish') do
    100.times { |number| send_to(channel, queue, number.to_s) }
    equal(channel.wait_for_confirms, true)
    equal(ready(channel, queue), 100)
  end
  check('mandatory return') do
    returned = Thread::Queue.new
    exchange = channel.direct('amq.direct', durable: true)
    exchange.on_return { |*arguments| returned << arguments }
    missing = unique('nowhere')
    exchange.publish('back', routing_key: missing, mandatory: true)
    equal(channel.wait_for_confirms, true)
    equal(returned.size, 1, 'the return comes before the confirm')
    info, _, payload = returned.pop
    equal([info.reply_code, info.reply_text], [312, 'NO_ROUTE'])
    equal([info.exchange, info.routing_key, payload], ['amq.direct', missing, 'back'])
  end
  channel.close
end

def consumes(connection)
  channel = connection.create_channel
  queue = own_queue(channel)
  inbox = Thread::Queue.new
  tag = unique('consumer')
  check('consume with prefetch') do
    10.times { |number| send_to(channel, queue, number.to_s) }
    eventually('all are there') { ready(channel, queue) == 10 }
    channel.basic_qos(3)
    channel.basic_consume(queue, tag, false) { |*delivery| inbox << delivery }
    bodies = []
    while bodies.size < 10
      delivery = nil
      [3, 10 - bodies.size].min.times do
        delivery, _, payload = take(inbox, 'a delivery')
        bodies << payload
      end
      equal(ready(channel, queue), 10 - bodies.size)
      equal(inbox.size, 0, 'deliveries beyond the prefetch')
      channel.ack(delivery.delivery_tag, true)
    end
    equal(bodies, (0..9).map(&:to_s))
  end
  check('nack and requeue') do
    send_to(channel, queue, 'again')
    delivery, = take(inbox, 'a delivery')
    equal(delivery.redelivered?, false)
    channel.nack(delivery.delivery_tag, false, true)
    delivery, _, payload = take(inbox, 'the same again')
    equal([delivery.redelivered?, payload], [true, 'again'])
    channel.reject(delivery.delivery_tag, false)
    channel.basic_cancel(tag)
    equal(ready(channel, queue), 0)
  end
  check('get') do
    send_to(channel, queue, 'one')
    send_to(channel, queue, 'two')
    eventually('both are there') { ready(channel, queue) == 2 }
    delivery, _, payload = channel.basic_get(queue, manual_ack: true)
    equal([delivery.message_count, payload], [1, 'one'])
    channel.ack(delivery.delivery_tag)
    equal(channel.basic_get(queue, manual_ack: false).last, 'two')
    equal(channel.basic_get(queue, manual_ack: false), [nil, nil, nil])
  end
  channel.close
end

def closed_with(type, code, text, &block)
  error = error_of(type, &block)
  close = error.channel_close
  equal([close.reply_code, close.reply_text], [code, text])
  equal(error.channel.open?, false, 'channel is open')
end

def errors(connection)
  check('missing queue') do
    channel = connection.create_channel
    missing = unique('missing')
    closed_with(Bunny::NotFound, 404, no_queue(missing)) do
      channel.queue_declare(missing, passive: true)
    end
  end
  check('inequivalent declare') do
    channel = connection.create_channel
    queue = unique('bunny')
    channel.queue_declare(queue)
    closed_with(Bunny::PreconditionFailed, 406, inequivalent_durable(queue)) do
      channel.queue_declare(queue, durable: true)
    end
    other = connection.create_channel
    other.queue_delete(queue)
    other.close
  end
  check('wrong password') do
    # The library has a text of its own for the broker's refusal.
    error_of(Bunny::AuthenticationFailureError) { connect(pass: 'wrong') }
  end
end

def contents(connection)
  channel = connection.create_channel
  queue = own_queue(channel)
  check('body sizes') do
    BODY_SIZES.each do |size|
      send_to(channel, queue, body(size))
      same_body(get(channel, queue).last, body(size))
    end
  end
  check('large body') do
    large = body(LARGE_BODY)
    send_to(channel, queue, large)
    same_body(get(channel, queue, LARGE_LIMIT).last, large)
  end
  check('headers') do
    send_to(channel, queue, '', headers: HEADERS, **PROPERTIES)
    _, properties, = get(channel, queue)
    got = properties[:headers]
    equal(got.keys.sort, HEADERS.keys.sort, 'keys')
    expected = HEADERS.merge('float32' => 1.5, 'text' => HEADERS['text'].b)
    expected.each { |key, value| equal(got[key], value, "header '#{key}'") }
    sent = PROPERTIES.merge(timestamp: Time.at(PROPERTIES[:timestamp]))
    sent.each { |name, value| equal(properties[name], value, name) }
  end
  channel.close
end

def cancelled(connection)
  check('cancel notify') do
    channel = connection.create_channel
    queue = channel.queue('', exclusive: true)
    ended = Thread::Queue.new
    consumer = queue.subscribe(on_cancellation: ->(cancel) { ended << cancel }) { nil }
    other = connection.create_channel
    other.queue_delete(queue.name)
    equal(take(ended, 'the cancel').consumer_tag, consumer.consumer_tag)
    other.close
    channel.close
  end
end

def heartbeats
  check('heartbeats') do
    connection = connect(heartbeat: HEARTBEAT)
    sleep IDLE
    own_queue(connection.create_channel)
    connection.close
  end
end

def many_channels
  check('a thousand channels') do
    connection = connect
    channels = Array.new(CHANNELS) { connection.create_channel }
    [channels[0], channels[499], channels.last].each do |channel|
      queue = own_queue(channel)
      send_to(channel, queue, 'tea')
      equal(get(channel, queue).last, 'tea')
    end
    channels.each_slice(100) { |some| some.first.close }
    # Closes the other channels one by one.
    connection.close
  end
end

connection = connect
%i[declares publishes consumes errors contents cancelled].each { |part| send(part, connection) }
heartbeats
many_channels
check('clean close') do
  connection.close
  equal(connection.closed?, true)
end
