import ipc from './index.js'

export default ipc
export declare const open: typeof ipc.open
export declare const encode: typeof ipc.encode
export declare const decode: typeof ipc.decode
export declare const SlabcastError: typeof ipc.SlabcastError
export type SlabcastError = ipc.SlabcastError
export type Bus<Topics = ipc.AnyTopics> = ipc.Bus<Topics>
export type AnyMessageOf<Topics> = ipc.AnyMessageOf<Topics>
export type AnySubscription = ipc.AnySubscription
export type AnyTopics = ipc.AnyTopics
export type BusEvents = ipc.BusEvents
export type Bytes = ipc.Bytes
export type DefaultBus = ipc.DefaultBus
export type ErrorCode = ipc.ErrorCode
export type Gap = ipc.Gap
export type Held = ipc.Held
export type Handler<Message, Answer = unknown, Topic extends string = string> = ipc.Handler<Message, Answer, Topic>
export type Interest<Topic extends string = string> = ipc.Interest<Topic>
export type Item<Message, Topic extends string = string> = ipc.Item<Message, Topic>
export type Listener<Message, Topic extends string = string> = ipc.Listener<Message, Topic>
export type Member = ipc.Member
export type MemberInfo = ipc.MemberInfo
export type Meta<Topic extends string = string> = ipc.Meta<Topic>
export type Messages<Message, Topic extends string = string> = ipc.Messages<Message, Topic>
export type MessagesOptions = ipc.MessagesOptions
export type OpenOptions = ipc.OpenOptions
export type PatternListener<Message, Topic extends string = string> = ipc.PatternListener<Message, Topic>
export type PatternOptions = ipc.PatternOptions
export type PatternMeta<Topic extends string = string> = ipc.PatternMeta<Topic>
export type PatternSubscription = ipc.PatternSubscription
export type PublishOptions = ipc.PublishOptions
export type RequestOptions = ipc.RequestOptions
export type RespondOptions = ipc.RespondOptions
export type Stats = ipc.Stats
export type SubscribeOptions = ipc.SubscribeOptions
export type Subscription<Topic extends string = string> = ipc.Subscription<Topic>
export type TopicInfo<Topic extends string = string> = ipc.TopicInfo<Topic>
export type Traffic = ipc.Traffic
