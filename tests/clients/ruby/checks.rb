# What the checks of bunny stand on: naming and printing, bodies, and bounded waits.

require 'digest'
require 'securerandom'
require 'timeout'

FRAME_MAX = 131_072
# Around the edge of one frame: a body frame carries FRAME_MAX - 8 bytes.
BODY_SIZES = [0, 1, FRAME_MAX - 8, FRAME_MAX - 7, FRAME_MAX, 1 << 20].freeze
LARGE_BODY = 64 << 20
# Seconds that anything may take; far more than it needs, so that a broken check ends.
LIMIT = 20
LARGE_LIMIT = 60
HEARTBEAT = 1
# Longer than the time after which either side gives up a silent peer.
IDLE = 3.5
CHANNELS = 1000

# Prints `ok <name>` if the block does not fail, and names the check if it does.
def check(name)
  yield
  puts "ok #{name}"
  $stdout.flush
rescue Exception # rubocop:disable Lint/RescueException: a timeout has to be named too
  warn "failed: #{name}"
  raise
end

def equal(actual, expected, what = 'value')
  return if actual == expected && actual.instance_of?(expected.class)

  raise "#{what}: expected #{expected.inspect}, got #{actual.inspect}"
end

# A name that no other run uses.
def unique(name)
  "clients.#{name}.#{SecureRandom.hex(6)}"
end

def no_queue(name)
  "NOT_FOUND - no queue '#{name}' in vhost '/'"
end

def inequivalent_durable(name)
  "PRECONDITION_FAILED - inequivalent arg 'durable' for queue '#{name}' in vhost '/': " \
    "received 'true' but current is 'false'"
end

# As many bytes that do not repeat, the same ones at every call.
def body(size)
  Random.new(size).bytes(size)
end

# Compares by length and hash: the difference of two large bodies is not worth printing.
def same_body(actual, expected)
  equal(actual.bytesize, expected.bytesize, 'length of the body')
  equal(Digest::SHA256.hexdigest(actual), Digest::SHA256.hexdigest(expected), 'SHA-256')
end

# Asks until the answer is neither false nor nil.
def eventually(what, limit = LIMIT)
  deadline = Process.clock_gettime(Process::CLOCK_MONOTONIC) + limit
  loop do
    answer = yield
    return answer if answer
    raise "waited #{limit} s in vain until #{what}" if
      Process.clock_gettime(Process::CLOCK_MONOTONIC) > deadline
  end
end

# The next item of a queue that another thread fills.
def take(inbox, what, limit = LIMIT)
  Timeout.timeout(limit) { inbox.pop }
rescue Timeout::Error
  raise "waited #{limit} s in vain for #{what}"
end

# The error that the block ends with, which must be of this class.
def error_of(type)
  yield
rescue type => e
  e
else
  raise "#{type} was expected, and nothing failed"
end
