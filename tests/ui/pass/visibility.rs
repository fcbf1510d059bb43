//! Public, private and nested functions, and `listeners![..]` by their paths.

use springhare::__private::ListenerItem;
use springhare::prelude::*;

#[rabbit_listener(queue = "q")]
async fn private() {}

#[rabbit_listener(queue = "q")]
pub async fn public() {}

mod outer {
    use springhare::prelude::*;

    pub mod inner {
        use springhare::prelude::*;

        #[rabbit_listener(queue = "q")]
        pub(crate) async fn in_crate() {}

        #[rabbit_listener(queue = "q")]
        pub(in crate::outer) async fn in_outer() {}
    }

    pub(crate) use inner::in_crate as renamed;

    #[rabbit_listener(queue = "q")]
    pub(super) async fn above() {}

    pub fn id() -> String {
        let _ = springhare::listeners![inner::in_outer];
        <inner::in_outer as springhare::__private::ListenerItem>::ENDPOINTS[0].id()
    }
}

fn main() {
    #[rabbit_listener(queue = "q")]
    async fn local() {}

    let _ = springhare::listeners![private];
    let _ = springhare::listeners![private, public, outer::above, outer::inner::in_crate, local];
    assert!(outer::id().ends_with("::outer::inner::in_outer"));
    assert_eq!(outer::renamed::ENDPOINTS[0].function, "in_crate");
}
