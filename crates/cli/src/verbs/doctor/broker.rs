//! RabbitMQ: the exchanges and queues are there, and somebody reads them.

use media_messaging::{AmqpConfig, Inspection, MessagingError, topology::Role};

use super::finding::Finding;
use crate::failure::chain;

pub async fn look(url: String) -> Vec<Finding> {
    match media_messaging::inspect(&AmqpConfig::at(url), "media doctor").await {
        Ok(inspected) => judge(&inspected),
        Err(error) => {
            let remedy = match error {
                MessagingError::Settings(_) => "correct the URL",
                MessagingError::Refused(_) => "is there such a user, and may it use this virtual host? rabbitmqctl list_permissions",
                _ => "is RabbitMQ up, and can it be reached from here? rabbitmq-diagnostics check_running",
            };
            vec![Finding::broken("broker", chain(&error), remedy)]
        }
    }
}

fn judge(inspected: &Inspection) -> Vec<Finding> {
    let mut findings = vec![if inspected.missing.is_empty() {
        Finding::good("broker", format!("{} queues, as this version declares them", inspected.queues.len()))
    } else {
        let seen = format!("{} missing", inspected.missing.join(", "));
        Finding::broken(
            "broker",
            seen,
            "any service that connects declares them: is one connected? Then `media replay`, if the broker lost its disk",
        )
    }];
    for queue in &inspected.queues {
        let seen = format!("{} messages, {} consumers", queue.messages, queue.consumers);
        let is_read = match queue.role {
            Role::Work(_) | Role::DeadLetters => queue.consumers > 0,
            Role::Delay { .. } => continue,
        };
        findings.push(if is_read || queue.messages == 0 {
            Finding::good(&queue.name, seen)
        } else {
            Finding::odd(
                &queue.name,
                seen,
                "nobody takes from it now: all of its workers are busy, or none runs. Scaled to zero, KEDA starts one",
            )
        });
    }
    findings
}
