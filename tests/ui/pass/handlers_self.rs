//! `Self` wherever an `impl` with handlers may say it.

use serde::{Deserialize, Serialize};
use springhare::__private::{ListenerItem, RabbitListenerEndpoint};
use springhare::DeliveryContext;
use springhare::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[rabbit_listener(queue = Self::QUEUE, error_handler = Self::failed, group = Self::GROUP)]
#[rabbit_listener(queue = Self::OTHER)]
impl Order {
    const QUEUE: &'static str = "orders";
    const OTHER: &'static str = "others";
    const GROUP: &'static str = "shop";
    const NONE: u32 = 0;

    async fn failed(error: ListenerError, _: &DeliveryContext) -> ListenerResult {
        Err(error)
    }

    #[rabbit_handler]
    async fn placed(
        &self,
        Json(order): Json<Self>,
        #[header("x", default = Self::NONE)] _n: u32,
        #[header("y", default = [Self::NONE].to_vec())] _list: Vec<u32>,
    ) -> ListenerResult<Json<Self>> {
        Ok(Json(Self { id: order.id + Self::NONE }))
    }

    #[rabbit_handler(default)]
    async fn other(&self, own: State<Self>) {
        let _ = own.id;
    }
}

struct Of<T>(T);

#[rabbit_listener(queue = Self::QUEUE)]
impl Of<u8> {
    const QUEUE: &'static str = "bytes";

    #[rabbit_handler(default)]
    async fn all(&self, _own: State<Self>) {
        let _ = self.0;
    }
}

fn main() {
    let queues = |endpoints: &[&RabbitListenerEndpoint]| {
        endpoints.iter().map(|e| e.attributes.queues[0]).collect::<Vec<_>>()
    };
    assert_eq!(queues(Order::ENDPOINTS), ["orders", "others"]);
    assert_eq!(queues(Of::<u8>::ENDPOINTS), ["bytes"]);
}
