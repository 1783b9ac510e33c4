//! iceoryx2: a service per topic, its queue without overflow, its publisher retrying until delivered. The body is written
//! once, into the loan, and read where it lies.

use super::{Line, Trial};
use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::prelude::*;

pub struct Iceoryx {
    publisher: Option<Publisher<ipc::Service, [u8], ()>>,
    subscriber: Option<Subscriber<ipc::Service, [u8], ()>>,
    _node: Node<ipc::Service>,
}

impl Line for Iceoryx {
    fn join(trial: &Trial, sends: Option<&str>, reads: Option<&str>) -> Self {
        set_log_level(LogLevel::Error);
        let node = NodeBuilder::new().create::<ipc::Service>().expect("node");
        let service = |topic: &str| {
            let name = format!("{}/{topic}", trial.name);
            node.service_builder(&name.as_str().try_into().expect("a name"))
                .publish_subscribe::<[u8]>()
                .enable_safe_overflow(false)
                .history_size(0)
                .subscriber_max_buffer_size(trial.messages())
                .max_publishers(1)
                .max_subscribers(1)
                .open_or_create()
                .expect("service")
        };
        let subscriber = reads.map(|topic| service(topic).subscriber_builder().create().expect("subscriber"));
        let publisher = sends.map(|topic| {
            let service = service(topic);
            let builder = service.publisher_builder().initial_max_slice_len(trial.len);
            builder
                .backpressure_strategy(BackpressureStrategy::RetryUntilDelivered)
                .create()
                .expect("publisher")
        });
        Iceoryx { publisher, subscriber, _node: node }
    }

    #[inline]
    fn send(&mut self, body: &[u8]) {
        let publisher = self.publisher.as_ref().expect("one that sends");
        let sample = publisher.loan_slice_uninit(body.len()).expect("loan");
        sample.write_from_slice(body).send().expect("send");
    }

    #[inline]
    fn take(&mut self, mut each: impl FnMut(&[u8])) -> bool {
        let subscriber = self.subscriber.as_ref().expect("one that reads");
        let sample = subscriber.receive().expect("receive");
        if let Some(sample) = &sample {
            each(sample.payload());
        }
        sample.is_some()
    }
}
