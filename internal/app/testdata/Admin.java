import java.util.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;

// Admin does to a topic what operators do. Arguments: broker, then one of
//   trim TOPIC PARTITION end          delete all records of a partition
//   grow TOPIC PARTITIONS             add partitions
//   set  TOPIC NAME VALUE             set a setting
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
                default -> throw new IllegalArgumentException(a[1]);
            }
        }
    }
}
