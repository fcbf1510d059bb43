// The checks of Go's amqp091. Started with the broker's URL as the only argument, they print
// `ok <check>` for each that holds, and end with an error at the first that does not.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

var headers = amqp.Table{
	"text":    "grüße",
	"bytes":   []byte{0, 255},
	"true":    true,
	"false":   false,
	"uint8":   uint8(200),
	"int8":    int8(-7),
	"int16":   int16(-300),
	"int32":   int32(-100000),
	"int64":   int64(-1 << 40),
	"float32": float32(1.5),
	"float64": 1.1,
	"decimal": amqp.Decimal{Scale: 2, Value: 325},
	"time":    time.Unix(1700000000, 0),
	"table":   amqp.Table{"inner": amqp.Table{"deep": "yes"}},
	"list":    []interface{}{int32(1), "two", amqp.Table{"three": true}, nil},
	"void":    nil,
}

func publishing() amqp.Publishing {
	return amqp.Publishing{
		Headers:         headers,
		ContentType:     "text/plain",
		ContentEncoding: "identity",
		DeliveryMode:    2,
		Priority:        3,
		CorrelationId:   "correlation",
		ReplyTo:         "answers",
		Expiration:      "60000",
		MessageId:       "message",
		Timestamp:       time.Unix(1700000000, 0),
		Type:            "kind",
		UserId:          "guest",
		AppId:           "checks",
	}
}

// A connection whose dial gives up in time.
func dial(url string, config amqp.Config) (*amqp.Connection, error) {
	config.FrameSize = frameMax
	config.Locale = "en_US"
	config.Dial = amqp.DefaultDial(limit)
	return amqp.DialConfig(url, config)
}

func connect(url string) *amqp.Connection {
	connection, err := dial(url, amqp.Config{Heartbeat: 10 * time.Second})
	must(err)
	return connection
}

func channelOf(connection *amqp.Connection) *amqp.Channel {
	channel, err := connection.Channel()
	must(err)
	return channel
}

func ownQueue(channel *amqp.Channel) string {
	queue, err := channel.QueueDeclare("", false, false, true, false, nil)
	must(err)
	return queue.Name
}

func ready(channel *amqp.Channel, queue string) int {
	state, err := channel.QueueInspect(queue)
	must(err)
	return state.Messages
}

func send(channel *amqp.Channel, exchange, key string, message amqp.Publishing) {
	must(channel.PublishWithContext(context.Background(), exchange, key, false, false, message))
}

func text(text string) amqp.Publishing {
	return amqp.Publishing{Body: []byte(text)}
}

func get(channel *amqp.Channel, queue string, limit time.Duration) (message amqp.Delivery) {
	eventually("there is a message", limit, func() bool {
		found, ok, err := channel.Get(queue, true)
		must(err)
		message = found
		return ok
	})
	return message
}

func next(deliveries <-chan amqp.Delivery) amqp.Delivery {
	select {
	case delivery, open := <-deliveries:
		equal("the consumer is alive", open, true)
		return delivery
	case <-time.After(limit):
		late("a delivery")
		panic("unreachable")
	}
}

func declare(connection *amqp.Connection) {
	channel := channelOf(connection)
	check("declare", func() {
		name := unique("amqp091")
		for i := 0; i < 2; i++ {
			queue, err := channel.QueueDeclare(name, false, false, true, false, nil)
			must(err)
			equal("queue", queue, amqp.Queue{Name: name})
		}
	})
	named := ownQueue(channel)
	check("server-named queue", func() { startsWith(named, "amq.gen-") })
	check("exchange and binding", func() {
		exchange := unique("amqp091")
		must(channel.ExchangeDeclare(exchange, "topic", false, true, false, false, nil))
		must(channel.QueueBind(named, "stock.*", exchange, false, nil))
		send(channel, exchange, "weather.tea", text("no"))
		send(channel, exchange, "stock.tea", text("yes"))
		message := get(channel, named, limit)
		equal("exchange", message.Exchange, exchange)
		equal("routing key", message.RoutingKey, "stock.tea")
		equal("body", string(message.Body), "yes")
		must(channel.QueueUnbind(named, "stock.*", exchange, nil))
	})
	must(channel.Close())
}

func publish(connection *amqp.Connection) {
	channel := channelOf(connection)
	must(channel.Confirm(false))
	queue := ownQueue(channel)
	confirms := channel.NotifyPublish(make(chan amqp.Confirmation, 200))
	confirmed := func(tag uint64) {
		select {
		case confirm := <-confirms:
			equal("confirm", confirm, amqp.Confirmation{DeliveryTag: tag, Ack: true})
		case <-time.After(limit):
			late("a confirm")
		}
	}
	check("confirmed publish", func() {
		for i := 0; i < 100; i++ {
			send(channel, "", queue, text(strconv.Itoa(i)))
		}
		for tag := uint64(1); tag <= 100; tag++ {
			confirmed(tag)
		}
		equal("messages", ready(channel, queue), 100)
	})
	check("mandatory return", func() {
		returns := channel.NotifyReturn(make(chan amqp.Return, 1))
		missing := unique("nowhere")
		background := context.Background()
		must(channel.PublishWithContext(background, "amq.direct", missing, true, false, text("back")))
		confirmed(101)
		select {
		case returned := <-returns:
			equal("code", returned.ReplyCode, uint16(312))
			equal("text", returned.ReplyText, "NO_ROUTE")
			equal("exchange", returned.Exchange, "amq.direct")
			equal("routing key", returned.RoutingKey, missing)
			equal("body", string(returned.Body), "back")
		default:
			panic("the return does not come before the confirm")
		}
	})
	must(channel.Close())
}

func consume(connection *amqp.Connection) {
	channel := channelOf(connection)
	queue := ownQueue(channel)
	tag := unique("consumer")
	var deliveries <-chan amqp.Delivery
	check("consume with prefetch", func() {
		for i := 0; i < 10; i++ {
			send(channel, "", queue, text(strconv.Itoa(i)))
		}
		eventually("all are there", limit, func() bool { return ready(channel, queue) == 10 })
		must(channel.Qos(3, 0, false))
		var err error
		deliveries, err = channel.Consume(queue, tag, false, false, false, false, nil)
		must(err)
		for got := 0; got < 10; {
			var last amqp.Delivery
			for batch := 0; batch < 3 && got < 10; batch++ {
				last = next(deliveries)
				equal("body", string(last.Body), strconv.Itoa(got))
				got++
			}
			equal("messages", ready(channel, queue), 10-got)
			equal("deliveries beyond the prefetch", len(deliveries), 0)
			must(last.Ack(true))
		}
	})
	check("nack and requeue", func() {
		send(channel, "", queue, text("again"))
		first := next(deliveries)
		equal("redelivered", first.Redelivered, false)
		must(first.Nack(false, true))
		second := next(deliveries)
		equal("redelivered", second.Redelivered, true)
		equal("body", string(second.Body), "again")
		must(second.Reject(false))
		must(channel.Cancel(tag, false))
		equal("messages", ready(channel, queue), 0)
	})
	check("get", func() {
		send(channel, "", queue, text("one"))
		send(channel, "", queue, text("two"))
		eventually("both are there", limit, func() bool { return ready(channel, queue) == 2 })
		message, ok, err := channel.Get(queue, false)
		must(err)
		equal("got", ok, true)
		equal("messages left", message.MessageCount, uint32(1))
		equal("body", string(message.Body), "one")
		must(message.Ack(false))
		equal("body", string(get(channel, queue, limit).Body), "two")
		_, ok, err = channel.Get(queue, true)
		must(err)
		equal("got", ok, false)
	})
	must(channel.Close())
}

func closedWith(channel *amqp.Channel, err error, code int, reason string) {
	var closed *amqp.Error
	if !errors.As(err, &closed) {
		panic(fmt.Sprintf("%d was expected, and there was %v", code, err))
	}
	equal("code", closed.Code, code)
	equal("text", closed.Reason, reason)
	equal("channel is closed", channel.IsClosed(), true)
}

func failures(connection *amqp.Connection, url string) {
	check("missing queue", func() {
		channel := channelOf(connection)
		missing := unique("missing")
		_, err := channel.QueueInspect(missing)
		closedWith(channel, err, 404, noQueue(missing))
	})
	check("inequivalent declare", func() {
		channel := channelOf(connection)
		queue := unique("amqp091")
		_, err := channel.QueueDeclare(queue, false, false, false, false, nil)
		must(err)
		_, err = channel.QueueDeclare(queue, true, false, false, false, nil)
		closedWith(channel, err, 406, inequivalentDurable(queue))
		other := channelOf(connection)
		_, err = other.QueueDelete(queue, false, false, false)
		must(err)
		must(other.Close())
	})
	check("wrong password", func() {
		// The library has one error for every way in which the login fails.
		_, err := dial(withPassword(url, "wrong"), amqp.Config{})
		equal("error", err, error(amqp.ErrCredentials))
	})
}

func contents(connection *amqp.Connection) {
	channel := channelOf(connection)
	queue := ownQueue(channel)
	check("body sizes", func() {
		for _, size := range bodySizes {
			send(channel, "", queue, amqp.Publishing{Body: body(size)})
			sameBody(get(channel, queue, limit).Body, body(size))
		}
	})
	check("large body", func() {
		large := body(largeBody)
		send(channel, "", queue, amqp.Publishing{Body: large})
		sameBody(get(channel, queue, largeLimit).Body, large)
	})
	check("headers", func() {
		send(channel, "", queue, publishing())
		got := get(channel, queue, limit)
		for key, value := range headers {
			equal("header "+key, got.Headers[key], value)
		}
		equal("number of headers", len(got.Headers), len(headers))
		equal("properties", amqp.Publishing{
			Headers: headers, ContentType: got.ContentType, ContentEncoding: got.ContentEncoding,
			DeliveryMode: got.DeliveryMode, Priority: got.Priority, ReplyTo: got.ReplyTo,
			CorrelationId: got.CorrelationId, Expiration: got.Expiration, Type: got.Type,
			MessageId: got.MessageId, Timestamp: got.Timestamp, UserId: got.UserId, AppId: got.AppId,
		}, publishing())
	})
	must(channel.Close())
}

func cancelled(connection *amqp.Connection) {
	check("cancel notify", func() {
		channel := channelOf(connection)
		queue := ownQueue(channel)
		tag := unique("consumer")
		deliveries, err := channel.Consume(queue, tag, false, false, false, false, nil)
		must(err)
		cancels := channel.NotifyCancel(make(chan string, 1))
		other := channelOf(connection)
		_, err = other.QueueDelete(queue, false, false, false)
		must(err)
		select {
		case cancel := <-cancels:
			equal("consumer tag", cancel, tag)
		case <-time.After(limit):
			late("the cancel")
		}
		_, open := <-deliveries
		equal("the deliveries go on", open, false)
		must(other.Close())
		must(channel.Close())
	})
}

func heartbeats(url string) {
	check("heartbeats", func() {
		connection, err := dial(url, amqp.Config{Heartbeat: heartbeat})
		must(err)
		select {
		case err := <-connection.NotifyClose(make(chan *amqp.Error, 1)):
			panic(err)
		case <-time.After(idle):
		}
		ownQueue(channelOf(connection))
		must(connection.Close())
	})
}

func manyChannels(url string) {
	check("a thousand channels", func() {
		connection := connect(url)
		var opened []*amqp.Channel
		for i := 0; i < channels; i++ {
			opened = append(opened, channelOf(connection))
		}
		for _, i := range []int{0, 499, channels - 1} {
			queue := ownQueue(opened[i])
			send(opened[i], "", queue, text("tea"))
			equal("body", string(get(opened[i], queue, limit).Body), "tea")
		}
		for i := 0; i < channels; i += 100 {
			must(opened[i].Close())
		}
		must(connection.Close())
	})
}

func closeCleanly(connection *amqp.Connection) {
	closed := connection.NotifyClose(make(chan *amqp.Error, 1))
	must(connection.Close())
	equal("error of the close", <-closed, (*amqp.Error)(nil))
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: client amqp://user:password@host:port/%2f")
		os.Exit(2)
	}
	url := os.Args[1]
	connection := connect(url)
	declare(connection)
	publish(connection)
	consume(connection)
	failures(connection, url)
	contents(connection)
	cancelled(connection)
	heartbeats(url)
	manyChannels(url)
	check("clean close", func() {
		closeCleanly(connection)
		// A broker that does not leave the socket to the client loses a race now and then.
		for i := 0; i < 30; i++ {
			closeCleanly(connect(url))
		}
	})
}
