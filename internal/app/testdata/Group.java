import java.util.*;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicPartition;

// Group does to a consumer group, and to a topic, what operators do by mistake. Arguments: broker, then one of
//   forget GROUP TOPIC PARTITION  delete a committed offset
//   anew TOPIC PARTITIONS         delete a topic and create it again
public class Group {
    interface Call { KafkaFuture<?> send(); }

    // again tries until it succeeds: a group has members until their session is over, a topic is there until it is deleted.
    static void again(Call call) throws Exception {
        for (long end = System.currentTimeMillis() + 15000; ; Thread.sleep(100)) {
            try {
                call.send().get();
                return;
            } catch (ExecutionException e) {
                if (System.currentTimeMillis() > end) throw e;
            }
        }
    }

    public static void main(String[] a) throws Exception {
        try (AdminClient admin = AdminClient.create(Map.of("bootstrap.servers", a[0]))) {
            switch (a[1]) {
                case "forget" -> {
                    TopicPartition tp = new TopicPartition(a[3], Integer.parseInt(a[4]));
                    again(() -> admin.deleteConsumerGroupOffsets(a[2], Set.of(tp)).all());
                }
                case "anew" -> {
                    admin.deleteTopics(List.of(a[2])).all().get();
                    again(() -> admin.createTopics(List.of(new NewTopic(a[2], Integer.parseInt(a[3]), (short) 1))).all());
                }
                default -> throw new IllegalArgumentException(a[1]);
            }
        }
    }
}
