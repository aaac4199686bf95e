import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.StringSerializer;

/** Writes to partition 0 of a topic what Java's own producer makes: a batch in zstd, and two transactions, one aborted. */
public final class JavaProducer {
  private static final int RECORDS = 100;

  public static void main(String[] args) throws Exception {
    String bootstrap = args[0];
    String topic = args[1];
    try (Producer<String, String> producer = open(bootstrap, Map.of("compression.type", "zstd", "linger.ms", "1000"))) {
      for (int i = 0; i < RECORDS; i++) {
        producer.send(new ProducerRecord<>(topic, 0, 1_700_000_000_000L + i, "key-" + i, ("zstd-" + i + " ").repeat(20),
            List.of(new RecordHeader("nth", Integer.toString(i).getBytes(StandardCharsets.UTF_8)))));
      }
    }
    try (Producer<String, String> producer = open(bootstrap, Map.of("transactional.id", topic, "compression.type", "zstd"))) {
      producer.initTransactions();
      producer.beginTransaction();
      send(producer, topic, "aborted-1");
      send(producer, topic, "aborted-2");
      producer.abortTransaction();
      producer.beginTransaction();
      send(producer, topic, "committed-1");
      send(producer, topic, "committed-2");
      producer.commitTransaction();
    }
  }

  private static Producer<String, String> open(String bootstrap, Map<String, Object> settings) {
    Map<String, Object> all = new java.util.HashMap<>(settings);
    all.put("bootstrap.servers", bootstrap);
    return new KafkaProducer<>(all, new StringSerializer(), new StringSerializer());
  }

  /** Waits for it: what is aborted is in the log. */
  private static void send(Producer<String, String> producer, String topic, String value) throws Exception {
    Future<RecordMetadata> sent = producer.send(new ProducerRecord<>(topic, 0, null, value));
    producer.flush();
    sent.get();
  }
}
