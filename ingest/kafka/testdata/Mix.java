import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;

/** Fills a topic with every compression, by plain, committing and aborting producers at once. Arguments: bootstrap, topic. */
public class Mix {
    static KafkaProducer<byte[], byte[]> producer(String bootstrap, String codec, String id) {
        Properties p = new Properties();
        p.put("bootstrap.servers", bootstrap);
        p.put("key.serializer", "org.apache.kafka.common.serialization.ByteArraySerializer");
        p.put("value.serializer", "org.apache.kafka.common.serialization.ByteArraySerializer");
        p.put("compression.type", codec);
        p.put("linger.ms", "1");
        p.put("batch.size", "4000");
        if (id != null) p.put("transactional.id", id + "-" + codec);
        return new KafkaProducer<>(p);
    }

    static byte[] bytes(String s) {
        return s.getBytes(StandardCharsets.UTF_8);
    }

    public static void main(String[] args) {
        int n = 0;
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            try (var plain = producer(args[0], codec, null);
                    var commits = producer(args[0], codec, "commits");
                    var aborts = producer(args[0], codec, "aborts")) {
                commits.initTransactions();
                aborts.initTransactions();
                for (int round = 0; round < 4; round++) {
                    commits.beginTransaction();
                    aborts.beginTransaction();
                    for (int i = 0; i < 60; i++) {
                        for (var p : List.of(plain, commits, aborts)) {
                            String who = p == aborts ? "aborted" : p == commits ? "committed" : "plain";
                            var r = new ProducerRecord<>(args[1], null, 1_700_000_000_000L + n, bytes("key-" + n * 7919 % 1009),
                                    bytes(who + " java " + codec + " " + n + " " + "x".repeat(n % 300)));
                            if (n % 3 == 0) r.headers().add("n", bytes("" + n)).add("none", null);
                            p.send(r);
                            n++;
                        }
                        if (i % 20 == 19) {
                            plain.flush();
                            commits.flush();
                            aborts.flush();
                        }
                    }
                    if (round % 2 == 0) aborts.abortTransaction();
                    commits.commitTransaction();
                    if (round % 2 == 1) aborts.abortTransaction();
                }
            }
        }
        System.out.println(n);
    }
}
