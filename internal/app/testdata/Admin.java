import java.util.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionInfo;
import org.apache.kafka.common.config.ConfigResource;

// Admin does to a topic what operators do. Arguments: broker, then one of
//   trim TOPIC PARTITION end          delete all records of a partition
//   grow TOPIC PARTITIONS             add partitions
//   set  TOPIC NAME VALUE             set a setting
//   move TOPIC...                     move the leader of each partition to the next of its replicas; of a topic of Kafka's own, the coordinators
public class Admin {
    public static void main(String[] a) throws Exception {
        try (AdminClient admin = AdminClient.create(Map.of("bootstrap.servers", a[0]))) {
            switch (a[1]) {
                case "trim" -> {
                    TopicPartition tp = new TopicPartition(a[2], Integer.parseInt(a[3]));
                    admin.deleteRecords(Map.of(tp, RecordsToDelete.beforeOffset(-1))).all().get();
                }
                case "grow" -> admin.createPartitions(Map.of(a[2], NewPartitions.increaseTo(Integer.parseInt(a[3])))).all().get();
                case "set" -> {
                    ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, a[2]);
                    AlterConfigOp op = new AlterConfigOp(new ConfigEntry(a[3], a[4]), AlterConfigOp.OpType.SET);
                    admin.incrementalAlterConfigs(Map.of(topic, List.of(op))).all().get();
                }
                case "move" -> {
                    Map<TopicPartition, Optional<NewPartitionReassignment>> next = new HashMap<>();
                    for (TopicDescription topic : admin.describeTopics(List.of(a).subList(2, a.length)).allTopicNames().get().values()) {
                        for (TopicPartitionInfo p : topic.partitions()) {
                            List<Integer> replicas = new ArrayList<>(p.replicas().stream().map(Node::id).toList());
                            if (p.leader() != null && p.leader().id() == replicas.get(0)) Collections.rotate(replicas, -1);
                            next.put(new TopicPartition(topic.name(), p.partition()), Optional.of(new NewPartitionReassignment(replicas)));
                        }
                    }
                    admin.alterPartitionReassignments(next).all().get();
                    int moved = 0;
                    for (Optional<Throwable> e : admin.electLeaders(ElectionType.PREFERRED, next.keySet()).partitions().get().values()) {
                        if (e.isEmpty()) moved++; // another one may not be in sync at the moment, which is no mistake
                    }
                    System.out.println(moved);
                }
                default -> throw new IllegalArgumentException(a[1]);
            }
        }
    }
}
